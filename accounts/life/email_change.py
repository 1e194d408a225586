"""A new email: both addresses say yes, the one so far (if it was ever proven) and the new one.

Whoever takes over a signed-in browser cannot take the account away with it: that takes the letters of the address so
far. Whether the new address is somebody else's account shows in its letters alone.
"""

from datetime import timedelta
from typing import Final

import msgspec
from bson import ObjectId

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.errors import EmailTaken
from accounts.life.admission import require_domain
from accounts.life.beside import beside
from accounts.life.errors import LinkNotValid
from accounts.life.links import LIFETIMES, Purpose, make_link, remove_links, use_link
from accounts.life.verification import require_mail
from accounts.mail.addresses import link
from accounts.mail.letters import post
from accounts.proving import Evidence, proven_owner
from accounts.users import user_of
from eloquent.foundation.clock import now
from eloquent.foundation.errors import Conflict, InvalidInput

CONFIRMING: Final = (Purpose.CONFIRM_CURRENT_EMAIL, Purpose.CONFIRM_NEW_EMAIL)
_LASTS: Final[timedelta] = LIFETIMES[Purpose.CONFIRM_NEW_EMAIL]


class Confirmation(msgspec.Struct, frozen=True):
    """What a link has brought about. `waits_for` is "current" or "new" when the other address must still say yes."""

    email: str
    waits_for: str | None


async def ask_for_change(
    identity: Identity, new_email: str, evidence: Evidence, *, device: Device
) -> store.EmailChange:
    """Have both addresses asked whether the user's email shall be the new one; takes the place of an earlier wish.

    The same in words and time whether the new address is taken.

    Raises:
        InvalidInput: it is the user's email already.
        WrongPassword, WrongCode, SignInTooOld, CodesExhausted, Throttled: see `proven_owner`.
        DomainNotAllowed: accounts are for other domains.
        MailIsOff: no letters are sent here.
        Conflict: the user asked twice at the same moment.
    """
    require_mail()
    if new_email == (await user_of(identity)).email:
        raise InvalidInput(errors=[{"loc": ["body", "new_email"], "msg": "This is your email address already."}])
    require_domain(new_email)
    user = (await proven_owner(identity, evidence, device=device)).user
    at = now()
    change = store.EmailChange(
        id=ObjectId(),
        user_id=user.id,
        old_email=user.email,
        new_email=new_email,
        needs_current=user.email_verified_at is not None,
        created_at=at,
        expires_at=at + _LASTS,
    )
    owner = await store.user_by_email(new_email)
    await store.remove_links_of(user.id, CONFIRMING)
    if not await store.begin_email_change(change):
        raise Conflict
    await record(Action.EMAIL_CHANGE_ASKED, actor=user.id, subject=user.id, device=device)
    beside(_write_to_both(user, change, owner))
    return change


async def change_of(identity: Identity) -> store.EmailChange | None:
    """The user's change that waits."""
    return await store.email_change_of(identity.user_id, at=now())


async def cancel_change(identity: Identity) -> None:
    """The change that waits, if there is one, waits no more, and its links do nothing."""
    await store.remove_email_change_of(identity.user_id)
    await store.remove_links_of(identity.user_id, CONFIRMING)


async def confirm_change(token: str, *, device: Device) -> Confirmation:
    """Say yes for the address that the link was sent to; with the last yes that is needed the email changes.

    Raises:
        LinkNotValid: used, expired, or the account has changed, or the change was cancelled.
        EmailTaken: somebody made an account with the new address meanwhile.
    """
    used, user = await use_link(token, *CONFIRMING)
    if used.change_id is None or not user.is_active:
        raise LinkNotValid
    of_new = used.purpose == Purpose.CONFIRM_NEW_EMAIL
    change = await store.confirm_email_change(user.id, used.change_id, of_new=of_new, old_email=user.email, at=now())
    if change is None:
        raise LinkNotValid
    if change.needs_current and change.current_confirmed_at is None:
        return Confirmation(change.new_email, "current")
    if change.new_confirmed_at is None:
        return Confirmation(change.new_email, "new")
    await _carry_out(change, device)
    return Confirmation(change.new_email, None)


async def _carry_out(change: store.EmailChange, device: Device) -> None:
    try:
        changed = await store.change_email(change.user_id, old=change.old_email, new=change.new_email, at=now())
    except store.EmailTakenError:
        await remove_links(change.user_id)
        raise EmailTaken("There is another account with this email address by now.") from None
    if changed is None:
        raise LinkNotValid
    # Those of the address so far, above all: whoever has it must not come in by it any more.
    await remove_links(change.user_id)
    await record(Action.EMAIL_CHANGED, actor=change.user_id, subject=change.user_id, device=device)
    for address in (change.old_email, change.new_email):
        told = {"is_old": address == change.old_email}
        await post("email_changed", to=address, user_id=change.user_id, context=told)


async def _write_to_both(user: store.User, change: store.EmailChange, owner: store.User | None) -> None:
    if change.needs_current:
        token = await make_link(user, Purpose.CONFIRM_CURRENT_EMAIL, email=user.email, change_id=change.id)
        context = {"link": link("confirm-email", token), "new_email": change.new_email}
        await post("email_change_current", to=user.email, user_id=user.id, context=context)
    if owner is not None:
        await post("email_change_taken", to=owner.email, user_id=owner.id)
        return
    token = await make_link(user, Purpose.CONFIRM_NEW_EMAIL, email=change.new_email, change_id=change.id)
    told = {"link": link("confirm-email", token), "needs_current": change.needs_current}
    await post("email_change_new", to=change.new_email, user_id=user.id, context=told)
