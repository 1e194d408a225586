"""Passwords that somebody else has made up, staff or a command: they open nothing, and are exchanged for an own one.

Whoever made it up knows it, and so may whoever saw it on its way. It is good for a week and for one thing, to set
another; in the API by email and both passwords, in the staff console at the first sign-in. A letter for a forgotten
password does as well. Other ways in (a passkey, a provider) do not ask for it and go on.
"""

from accounts import sessions, store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.errors import WrongCredentials
from accounts.password_changes import password_was_changed
from accounts.passwords import check_new_password, hash_password, verify_password
from accounts.second_factor.challenges import Challenge
from accounts.sessions import Grant
from accounts.signing_in import Proof, let_in
from eloquent.foundation.clock import now
from eloquent.foundation.errors import Conflict, InvalidInput

_THE_SAME = "Choose another password than the one that you were given."


async def set_own_password(email: str, *, given: str, new: str, device: Device) -> Grant | Challenge:
    """Let in the owner of the email (in its stored form), whose password is `new` from now on.

    All sessions of the account end, and so do links in letters. The owner is told by letter.

    Raises:
        WrongCredentials: unknown email, wrong password, one that was not given, or not any more; or one may not come
            in.
        InvalidInput: the new password breaks a rule, or is the one that was given.
        EmailNotVerified: it is set, and emails are to be proven before one comes in.
        Conflict: another change was first.
    """
    user = await store.user_by_email(email)
    verdict = await verify_password(given, user.password if user else None)
    is_given = user is not None and user.password_expires_at is not None and user.password_expires_at > now()
    if user is None or not verdict.right or not is_given or not user.is_active:
        await record(Action.SIGN_IN_FAILED, subject=user.id if user else None, device=device, proof=Proof.PASSWORD)
        raise WrongCredentials
    check_new_password(new, email=user.email, name=user.name, field="new_password")
    if (await verify_password(new, user.password)).right:
        raise InvalidInput(_THE_SAME, errors=[{"loc": ["body", "new_password"], "msg": _THE_SAME}])
    changed = await store.replace_password(user.id, old=user.password, new=await hash_password(new))
    if changed is None:
        raise Conflict
    await sessions.end_all_sessions(user.id, device=device)
    await password_was_changed(changed, device=device)
    return await let_in(changed, proof=Proof.PASSWORD, device=device)
