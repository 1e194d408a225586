"""A person's own account: registering, renaming, a new password."""

from bson import ObjectId

from accounts import sessions, store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.errors import EmailTaken, WrongPassword
from accounts.passwords import check_new_password, hash_password, verify_password
from accounts.second_factor.challenges import Challenge
from accounts.sessions import Grant
from accounts.signing_in import Proof, let_in
from eloquent.foundation.clock import now
from eloquent.foundation.errors import Conflict, NotSignedIn
from eloquent.foundation.ids import UserId


async def register(email: str, password: str, *, name: str, device: Device) -> Grant | Challenge:
    """A new user, signed in. The email is in its stored form.

    Raises:
        InvalidInput: the password breaks a rule.
        EmailTaken: also for the later of two who register the same email at the same moment.
    """
    check_new_password(password, email=email, field="password")
    if await store.user_by_email(email) is not None:  # spares a hash; the unique index is what decides
        raise EmailTaken
    user = store.User(id=ObjectId(), email=email, name=name, password=await hash_password(password), created_at=now())
    try:
        await store.add_user(user)
    except store.EmailTakenError:
        raise EmailTaken from None
    await record(Action.REGISTERED, actor=user.id, subject=user.id, device=device)
    return await let_in(user, proof=Proof.REGISTRATION, device=device)


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


async def change_password(identity: Identity, *, current: str, new: str) -> Grant:
    """Set a new password. The session that asks gets a fresh pair of tokens; all other sessions end.

    Raises:
        WrongPassword: `current` is not the password.
        InvalidInput: the new password breaks a rule.
        Conflict: another change was first.
    """
    user = await user_of(identity)
    verdict = await verify_password(current, user.password)
    if not verdict.right:
        raise WrongPassword(errors=[{"loc": ["body", "current_password"], "msg": WrongPassword.sentence}])
    check_new_password(new, email=user.email, field="new_password")
    changed = await store.replace_password(user.id, old=user.password, new=await hash_password(new))
    if changed is None:
        raise Conflict
    await sessions.end_other_sessions(identity)
    return await sessions.restart_session(changed, identity.session_id)


def _still_there(user: store.User | None) -> store.User:
    if user is None:
        raise NotSignedIn
    return user
