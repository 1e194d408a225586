"""A person's own account: reading and renaming it, a new password."""

from accounts import sessions, store
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.password_changes import password_was_changed
from accounts.passwords import check_new_password, hash_password
from accounts.proving import Evidence, proven_owner
from accounts.sessions import Grant
from eloquent.foundation.errors import Conflict, NotSignedIn
from eloquent.foundation.ids import UserId


async def user_of(identity: Identity) -> store.User:
    """The user who is asking.

    Raises:
        NotSignedIn: deleted within the last second.
    """
    return _still_there(await store.user_by_id(identity.user_id))


async def rename_user(user_id: UserId, name: str) -> store.User:
    """The user under the new name.

    Raises:
        NotSignedIn: deleted within the last second.
    """
    return _still_there(await store.rename_user(user_id, name))


async def change_password(identity: Identity, new: str, evidence: Evidence, *, device: Device) -> Grant:
    """Set a new password, and tell the owner by letter.

    The session that asks gets a fresh pair of tokens; all other sessions end, and so do links in letters.

    Raises:
        WrongPassword, WrongCode, SignInTooOld, CodesExhausted, Throttled: see `proven_owner`.
        InvalidInput: the new password breaks a rule.
        Conflict: another change was first.
    """
    user = await user_of(identity)
    check_new_password(new, email=user.email, name=user.name, field="new_password")  # before a code is used up
    user = (await proven_owner(identity, evidence, device=device)).user
    changed = await store.replace_password(user.id, old=user.password, new=await hash_password(new))
    if changed is None:
        raise Conflict
    await sessions.end_other_sessions(identity)
    await password_was_changed(changed, device=device)
    return await sessions.restart_session(changed, identity.session_id)


def _still_there(user: store.User | None) -> store.User:
    if user is None:
        raise NotSignedIn
    return user
