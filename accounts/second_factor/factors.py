"""Which second factors somebody has."""

import asyncio
from enum import StrEnum
from typing import Final

import msgspec

from accounts import store
from eloquent.foundation.ids import UserId

MOST_PASSKEYS: Final = 20


class Method(StrEnum):
    """How a second factor can be shown."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"


class Factors(msgspec.Struct, frozen=True):
    """A user's second factors. `kept` is None for a user who never had one."""

    kept: store.SecondFactor | None
    passkeys: list[store.Passkey]

    @property
    def has_totp(self) -> bool:
        """Whether there is an app whose first code was seen."""
        return self.kept is not None and bool(self.kept.totp_secret)

    @property
    def any(self) -> bool:
        """Whether a password alone lets this user in no more."""
        return self.has_totp or bool(self.passkeys)

    @property
    def recovery_codes_left(self) -> int:
        """How many recovery codes are good."""
        return len(self.kept.recovery_codes) if self.kept is not None and self.any else 0

    @property
    def methods(self) -> list[Method]:
        """What this user may show, the best first; none for a user without a second factor."""
        has = {
            Method.PASSKEY: bool(self.passkeys),
            Method.TOTP: self.has_totp,
            Method.RECOVERY_CODE: self.recovery_codes_left > 0,
        }
        return [method for method, there in has.items() if there]


async def factors_of(user_id: UserId) -> Factors:
    """What the user has; two reads by index."""
    kept, passkeys = await asyncio.gather(
        store.second_factor_of(user_id), store.passkeys_of(user_id, limit=MOST_PASSKEYS)
    )
    return Factors(kept, passkeys)
