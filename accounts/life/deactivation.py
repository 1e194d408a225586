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
from accounts.proving import require_proof
from accounts.users import user_of
from eloquent.foundation.errors import NotSignedIn


async def deactivate(identity: Identity, *, password: str | None, device: Device) -> None:
    """Let nobody into the user's account: sessions end, sockets close, API keys are refused.

    Raises:
        WrongPassword: the password is not the user's.
        Throttled: too many wrong ones came before.
        SignInTooOld: the user has none, and signed in more than ten minutes ago.
        NotSignedIn: the account was closed meanwhile.
    """
    user = await user_of(identity)
    await require_proof(identity, user, password, device=device)
    if await store.deactivate_user(user.id) is None:
        raise NotSignedIn
    await closing.close(user.id)
    await remove_links(user.id)
    await record(Action.DEACTIVATED, actor=user.id, subject=user.id, device=device)
    await post("deactivated", to=user.email, user_id=user.id, context={"link": link("forgot-password")})
