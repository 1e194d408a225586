"""Closing one's own account, for a while or for good: nothing is deleted, and the owner comes back by a letter."""

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.life import closing
from accounts.life.links import remove_links
from accounts.mail.addresses import link
from accounts.mail.letters import post
from accounts.proving import Evidence, proven_owner
from eloquent.foundation.errors import NotSignedIn


async def deactivate(identity: Identity, evidence: Evidence, *, device: Device) -> None:
    """Let nobody into the user's account: sessions end, sockets close, API keys are refused.

    Raises:
        WrongPassword, WrongCode, SignInTooOld, CodesExhausted, Throttled: see `proven_owner`.
        NotSignedIn: the account was closed meanwhile.
    """
    user = (await proven_owner(identity, evidence, device=device)).user
    if await store.deactivate_user(user.id) is None:
        raise NotSignedIn
    await closing.close(user.id)
    await remove_links(user.id)
    await record(Action.DEACTIVATED, actor=user.id, subject=user.id, device=device)
    await post("deactivated", to=user.email, user_id=user.id, context={"link": link("forgot-password")})
