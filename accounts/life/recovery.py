"""The forgotten password: a letter to whoever has the account, and a new password by its link."""

from typing import Any

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.life import closing
from accounts.life.beside import beside
from accounts.life.errors import LinkNotValid
from accounts.life.links import Purpose, look_at_link, make_link, use_link
from accounts.life.verification import require_mail
from accounts.mail.addresses import link
from accounts.mail.letters import post
from accounts.password_changes import password_was_changed
from accounts.passwords import check_new_password, hash_password
from accounts.second_factor.challenges import Challenge
from accounts.second_factor.factors import factors_of
from accounts.sessions import Grant
from accounts.signing_in import Proof, let_in
from eloquent.foundation.clock import now

BY_OWNER = "owner"


async def send_reset(email: str, *, device: Device) -> None:
    """Have a letter sent to the owner of the email (in its stored form), if there is one who may come in.

    The same for everybody: one look for the user, and what follows happens beside the request.

    Raises:
        MailIsOff: no letters are sent here.
    """
    require_mail()
    user = await store.user_by_email(email)
    beside(_send(user, device))


async def reset_password(token: str, new: str, *, device: Device) -> Grant | Challenge:
    """Set a new password by a link, end everything the old one had opened, and let the user in.

    The link has proven the email, unless there is a second factor, which whoever reads the letters need not have: the
    account may be somebody else's, who typed the address in. An account that its owner had closed is open again. API
    keys and linked sign-ins stay, unless the email had not been proven before: then whoever made them need not have
    been its owner.

    Raises:
        LinkNotValid: used, expired, or the email or the password has changed since, or staff closed the account, or it
            is to be erased.
        InvalidInput: the password breaks a rule; the link can still be used.
    """
    _, user = await look_at_link(token, Purpose.RESET_PASSWORD)
    check_new_password(new, email=user.email, name=user.name, field="new_password")
    encoded = await hash_password(new)
    used, user = await use_link(token, Purpose.RESET_PASSWORD)
    if not await _may_come_back(user):
        raise LinkNotValid
    # Before as well as after: should this process die on the way, no session outlives the password it came from.
    await closing.end_sessions(user.id)
    changed = await store.reset_password(
        user.id,
        email=used.email,
        token_version=used.token_version,
        new=encoded,
        proves_email=not (await factors_of(user.id)).any,
        at=now(),
    )
    if changed is None:
        raise LinkNotValid
    if not user.is_active:
        # At once: what follows writes a letter, and may break off.
        await record(Action.REACTIVATED, actor=user.id, subject=user.id, device=device)
    await closing.end_sessions(user.id)
    gone: dict[str, Any] = {"keys_revoked": 0, "identities_removed": 0}
    if user.email_verified_at is None:
        gone["keys_revoked"] = await closing.revoke_api_keys(user.id)
        gone["identities_removed"] = await store.remove_identities_of(user.id)
    keys_left = len(await store.living_api_keys_of(user.id, at=now(), after=None, limit=1)) > 0
    told = {
        "by": "link",
        "keys_left": keys_left,
        "identities_left": len(await store.identities_of(user.id, limit=1)) > 0,
        "reopened": not user.is_active,
    }
    await password_was_changed(changed, device=device, action=Action.PASSWORD_RESET, noted=gone, told=told)
    return await let_in(changed, proof=Proof.RESET_LINK, device=device)


async def _send(user: store.User | None, device: Device) -> None:
    if user is None or not await _may_come_back(user):
        return
    # One at a time: who asks again has lost the letter before, or was not the one who asked for it.
    await store.remove_links_of(user.id, (Purpose.RESET_PASSWORD,))
    token = await make_link(user, Purpose.RESET_PASSWORD, email=user.email)
    context = {"link": link("reset-password", token)}
    await post("reset_password", to=user.email, user_id=user.id, context=context)
    await record(Action.PASSWORD_RESET_ASKED, subject=user.id, device=device)


async def _may_come_back(user: store.User) -> bool:
    """Whether the account is open, or its owner, who closed it, may open it: until it is to be erased."""
    return user.is_active or (user.deactivated_by == BY_OWNER and not await store.is_to_be_erased(user.id))
