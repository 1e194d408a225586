"""Which key signs access tokens at a moment, and which verify them. No database, no network, no clock.

A key passes through four times. It is *published*, and verified with, from the moment it is made. It *signs* from
`signs_from` on, until a later one does. Then it only verifies, until the last token that it signed has expired, and
*retires*. A revoked key is none of these from that moment on.

A row counts when its sealed key opens and is the one that the row names: who can write to the database and does not
have SECRET_KEY can put no key of his own among ours. When no row counts (none was made, or SECRET_KEY was changed and
the one before it is not in SECRET_KEY_FALLBACKS), the keys of the configuration sign and verify.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from accounts.store.signing_keys import SigningKey
from accounts.tokens import ACCESS_TOKEN_S, KeyRing, PrivateKey, VerifyingKey
from eloquent.foundation.sealing import SealBroken, seal, unseal

SEALED_FOR: Final = "signing key"
READ_EVERY_S: Final = 3.0
"""How late a process may learn of a key, unless it meets a token of it before."""
JWKS_KEPT_S: Final = 300
"""How long other programs may keep the published keys."""
PUBLISHED_FOR: Final = timedelta(minutes=10)
"""Before it signs: more than any program may keep the keys that it read before."""
VERIFIED_FOR: Final = timedelta(seconds=ACCESS_TOKEN_S + 60)
"""After the last token was signed: as long as that lives, and a minute for clocks that differ."""


class Configured(NamedTuple):
    """The keys of the configuration: JWT_PRIVATE_KEY, and JWT_PREVIOUS_KEY where there is one."""

    signing: PrivateKey
    previous: VerifyingKey | None = None

    @property
    def verifying(self) -> tuple[VerifyingKey, ...]:
        """Their public keys, the one that signs first."""
        return (self.signing.verifying, *([self.previous] if self.previous else []))


class Opened(msgspec.Struct, frozen=True):
    """A row whose sealed key opens."""

    row: SigningKey
    key: PrivateKey


def sealed(pem: str) -> str:
    """The private key as it is stored."""
    return seal(pem.encode(), SEALED_FOR)


def opened(rows: Iterable[SigningKey]) -> tuple[list[Opened], list[str]]:
    """The rows whose keys open, in their order; and the ids of those that should and do not."""
    found: list[Opened] = []
    closed: list[str] = []
    for row in sorted(rows, key=lambda row: row.number):
        if not row.sealed or row.revoked_at is not None:
            continue
        try:
            key = PrivateKey.read(unseal(row.sealed, SEALED_FOR).decode())
        except (SealBroken, ValueError, TypeError):
            closed.append(row.kid)
            continue
        if key.verifying.kid == row.kid:
            found.append(Opened(row, key))
        else:
            closed.append(row.kid)
    return found, closed


def ring_at(at: datetime, configured: Configured, rows: Sequence[SigningKey], keys: Sequence[Opened]) -> KeyRing:
    """The ring that holds at a moment; `keys` are the rows that open."""
    by_kid = {row.kid: row for row in rows}
    signers = [each for each in keys if each.row.signs_from <= at]
    signing: PrivateKey | None
    if signers:
        signing = signers[-1].key
        old = [key for key in configured.verifying if _verifies(by_kid.get(key.kid), at)]
    else:
        unspoilt = [key for key in configured.verifying if not _is_revoked(by_kid, key.kid)]
        signing = configured.signing if configured.signing.verifying in unspoilt else None
        old = unspoilt
    verifying = [each.key.verifying for each in keys if _verifies(each.row, at)]
    return KeyRing(signing, [*reversed(verifying), *old])


def _verifies(row: SigningKey | None, at: datetime) -> bool:
    if row is None:
        return True
    return row.revoked_at is None and (row.retires_at is None or at < row.retires_at)


def _is_revoked(rows: Mapping[str, SigningKey], kid: str) -> bool:
    row = rows.get(kid)
    return row is not None and row.revoked_at is not None
