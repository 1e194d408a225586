"""What owners do with their second factors: each change is recorded, and told by letter.

No change ends a session, unless the owner asks for it: whoever adds a first factor because of a stranger can have all
other devices signed out by the same request.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from bson import ObjectId

from accounts import sessions, store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.errors import NoSecondFactor, NothingPending, PasskeyRefused, TooManyPasskeys, TotpExists, WrongCode
from accounts.mail.owners import tell
from accounts.proving import Evidence, proven_owner
from accounts.second_factor import ceremonies, codes, recovery_codes, totp
from accounts.second_factor.factors import MOST_PASSKEYS, Factors, Method, factors_of
from accounts.second_factor.relying_party import RelyingParty
from eloquent.foundation.clock import now
from eloquent.foundation.errors import NotFound, NotSignedIn, Unavailable
from eloquent.foundation.ids import UserId
from eloquent.foundation.sealing import SealBroken, seal, unseal

PENDING_FOR: Final = timedelta(minutes=15)


class PendingTotp(msgspec.Struct, frozen=True):
    """An app that is to show its first code. `secret` is for those who type it in."""

    secret: str
    otpauth_url: str
    qr_svg: str
    expires_in_s: int = int(PENDING_FOR.total_seconds())


async def begin_totp(identity: Identity, evidence: Evidence, *, device: Device) -> PendingTotp:
    """A new secret for an app; it counts once the app's first code is confirmed.

    Raises:
        TotpExists: there is an app already.
        WrongPassword, SignInTooOld, Throttled: see `proven_owner`.
    """
    factors = await factors_of(identity.user_id)
    if factors.has_totp:
        raise TotpExists
    user = (await proven_owner(identity, evidence, device=device)).user
    return await pending_totp(user)


async def pending_totp(user: store.User) -> PendingTotp:
    """As `begin_totp`, for an owner who has proved it."""
    secret, at = totp.new_secret(), now()
    sealed = seal(secret.encode(), codes.SEALED_FOR)
    if not await store.put_pending_totp(user.id, sealed=sealed, until=at + PENDING_FOR, at=at):
        raise TotpExists
    return shown(secret, user)


def shown(secret: str, user: store.User) -> PendingTotp:
    """The secret as an app can be told it."""
    url = totp.otpauth_url(secret, account=user.email)
    return PendingTotp(secret, url, totp.qr_code(url))


def pending_secret(kept: store.SecondFactor | None, *, at: datetime) -> str | None:
    """The secret that waits for its first code, None when there is none.

    Raises:
        Unavailable: it cannot be opened with the keys of today.
    """
    if kept is None or not kept.pending_secret or kept.pending_until is None or kept.pending_until <= at:
        return None
    try:
        return unseal(kept.pending_secret, codes.SEALED_FOR).decode()
    except SealBroken as error:
        raise Unavailable from error


async def confirm_totp(user_id: UserId, code: str, *, device: Device) -> list[str]:
    """Make the pending app the user's second factor; recovery codes for a user who has none, else nothing.

    Raises:
        NothingPending: no app waits, or not any more.
        WrongCode: the app shows another.
    """
    user = await store.user_by_id(user_id)
    if user is None:
        raise NotSignedIn
    at, factors = now(), await factors_of(user_id)
    secret = pending_secret(factors.kept, at=at)
    if secret is None or factors.kept is None:
        raise NothingPending
    step = totp.matching_step(secret, code, at_s=codes.time_s())
    if step is None:
        raise WrongCode(errors=[{"loc": ["body", "code"], "msg": WrongCode.sentence}])
    if not await store.confirm_totp(user_id, sealed=factors.kept.pending_secret, step=step, at=at):
        raise NothingPending
    return await _added(user, Method.TOTP, what="an authenticator app", target="totp", device=device)


async def remove_totp(identity: Identity, evidence: Evidence, *, device: Device) -> None:
    """Forget the owner's app; with it the recovery codes, when it was the last factor.

    Raises:
        NotFound: there is none.
        WrongPassword, WrongCode, SignInTooOld, CodesExhausted, Throttled: see `proven_owner`.
    """
    owner = await proven_owner(identity, evidence, device=device)
    user, factors = owner.user, owner.factors
    if not factors.has_totp or not await store.remove_totp(user.id):
        raise NotFound
    await _removed(user, Method.TOTP, what="an authenticator app", target="totp", device=device)


async def make_recovery_codes(identity: Identity, evidence: Evidence, *, device: Device) -> list[str]:
    """Ten new codes; those before them are good no more.

    Raises:
        NoSecondFactor: nothing that they could stand in for.
        WrongPassword, WrongCode, SignInTooOld, CodesExhausted, Throttled: see `proven_owner`.
    """
    owner = await proven_owner(identity, evidence, device=device)
    user, factors = owner.user, owner.factors
    if not factors.any:
        raise NoSecondFactor
    made = recovery_codes.new_codes()
    await store.replace_recovery_codes(user.id, _hashes(user.id, made), at=now())
    await record(Action.RECOVERY_CODES_MADE, actor=user.id, subject=user.id, device=device)
    await tell(user, "recovery_codes_made", device=device)
    return made


async def begin_passkey(
    identity: Identity, evidence: Evidence, *, party: RelyingParty, device: Device
) -> dict[str, Any]:
    """What the browser makes a passkey with; the answer is taken from this session alone.

    Raises:
        TooManyPasskeys: the owner has as many as one may have.
        WrongPassword, WrongCode, SignInTooOld, CodesExhausted, Throttled: see `proven_owner`.
    """
    owner = await proven_owner(identity, evidence, device=device)
    user, factors = owner.user, owner.factors
    if len(factors.passkeys) >= MOST_PASSKEYS:
        raise TooManyPasskeys
    return await ceremonies.registration_options(user, factors.passkeys, party=party, bound_to=_session_of(identity))


async def add_passkey(
    identity: Identity, credential: dict[str, Any], *, name: str, party: RelyingParty, device: Device
) -> tuple[store.Passkey, list[str]]:
    """The new passkey; with it recovery codes for an owner who has none.

    Raises:
        PasskeyRefused: it is not what was asked for, or belongs to an account already.
        TooManyPasskeys: the owner has as many as one may have.
    """
    user = await store.user_by_id(identity.user_id)
    if user is None:
        raise NotSignedIn
    passkey = await ceremonies.registered(user, credential, name=name, party=party, bound_to=_session_of(identity))
    if len((await factors_of(user.id)).passkeys) >= MOST_PASSKEYS:
        raise TooManyPasskeys
    try:
        await store.add_passkey(passkey)
    except store.PasskeyTakenError:
        raise PasskeyRefused from None
    target = f"passkey:{passkey.id}"
    return passkey, await _added(user, Method.PASSKEY, what=f"the passkey “{name}”", target=target, device=device)


async def rename_passkey(owner: UserId, passkey_id: ObjectId, name: str, *, device: Device) -> store.Passkey:
    """The passkey under the new name.

    Raises:
        NotFound: none with this id, or another user's: the caller cannot tell which.
    """
    passkey = await store.rename_passkey(owner, passkey_id, name)
    if passkey is None:
        raise NotFound
    await record(Action.PASSKEY_RENAMED, actor=owner, subject=owner, device=device, target=f"passkey:{passkey_id}")
    return passkey


async def remove_passkey(identity: Identity, passkey_id: ObjectId, evidence: Evidence, *, device: Device) -> None:
    """Forget a passkey; with it the recovery codes, when it was the last factor.

    Raises:
        NotFound: none with this id, or another user's: the caller cannot tell which.
        WrongPassword, WrongCode, SignInTooOld, CodesExhausted, Throttled: see `proven_owner`.
    """
    known = (await factors_of(identity.user_id)).passkeys
    if passkey_id not in {passkey.id for passkey in known}:
        raise NotFound
    user = (await proven_owner(identity, evidence, device=device)).user
    passkey = await store.remove_passkey(user.id, passkey_id)
    if passkey is None:
        raise NotFound
    what = f"the passkey “{passkey.name}”"
    await _removed(user, Method.PASSKEY, what=what, target=f"passkey:{passkey_id}", device=device)


async def end_other_sessions(identity: Identity) -> None:
    """Sign out all other devices of the owner, who asked for it beside a change."""
    await sessions.end_other_sessions(identity)


async def _added(user: store.User, method: Method, *, what: str, target: str, device: Device) -> list[str]:
    made = recovery_codes.new_codes()
    first = await store.add_first_recovery_codes(user.id, _hashes(user.id, made), at=now())
    await record(
        Action.SECOND_FACTOR_ADDED, actor=user.id, subject=user.id, device=device, target=target, method=method
    )
    await tell(user, "second_factor_added", device=device, what=what)
    return made if first else []


async def _removed(user: store.User, method: Method, *, what: str, target: str, device: Device) -> None:
    left: Factors = await factors_of(user.id)
    if not left.any:
        await store.forget_second_factor(user.id)
    await record(
        Action.SECOND_FACTOR_REMOVED,
        actor=user.id,
        subject=user.id,
        device=device,
        target=target,
        method=method,
        last=not left.any,
    )
    await tell(user, "second_factor_removed", device=device, what=what, last=not left.any)


def _hashes(owner: UserId, made: list[str]) -> list[str]:
    return [code_hash for code in made if (code_hash := recovery_codes.hash_of_code(owner, code))]


def _session_of(identity: Identity) -> str:
    return f"{identity.user_id}:{identity.session_id}"
