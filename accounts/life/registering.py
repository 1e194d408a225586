"""Making an account.

Where the email must be proven first (EMAIL_VERIFICATION=required), registering says the same, in the same time, whether
the email is taken or not: a letter is on its way. Its owner reads in it which it is.
"""

from bson import ObjectId

from accounts import store, throttle
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.errors import EmailTaken
from accounts.life import admission, limits
from accounts.life.admission import Admission, may_register
from accounts.life.beside import beside
from accounts.life.verification import send_verification, verification_is_required
from accounts.mail.addresses import link
from accounts.mail.letters import post
from accounts.passwords import check_new_password, hash_password
from accounts.second_factor.challenges import Challenge
from accounts.sessions import Grant
from accounts.signing_in import Proof, let_in
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config


async def register(
    email: str, password: str, *, name: str, invitation: str | None = None, device: Device
) -> Grant | Challenge | None:
    """A new user, signed in; None when a letter to the email says how it goes on. The email is in its stored form.

    Raises:
        InvalidInput: the password breaks a rule.
        RegistrationClosed, InvitationRequired, InvitationInvalid, DomainNotAllowed: see `may_register`.
        EmailTaken: also for the later of two who register it at the same moment; not where a letter says it.
        Throttled: where a letter says it, when the email was registered too often.
    """
    admitted = await may_register(email, invitation)
    check_new_password(password, email=email, name=name, field="password")
    quiet = verification_is_required() and not admitted.proves_email
    if quiet:
        await throttle.spend(limits.REGISTER_BY_EMAIL, email)
    is_taken = await store.user_by_email(email) is not None
    if is_taken and not quiet:  # spares a hash; the unique index is what decides
        raise EmailTaken
    at = now()
    user = store.User(
        id=ObjectId(),
        email=email,
        name=name,
        password=await hash_password(password),
        created_at=at,
        email_verified_at=at if admitted.proves_email else None,
    )
    # Where the answer is the same for a taken email, so is what becomes of the invitation: it would tell otherwise.
    await admission.use(admitted, user.id)
    if quiet:
        beside(_write_quietly(user, admitted, is_taken=is_taken, device=device))
        return None
    try:
        await store.add_user(user)
    except store.EmailTakenError:
        await admission.give_back(admitted, user.id)
        raise EmailTaken from None
    await _welcome(user, admitted, device)
    if user.email_verified_at is None and get_config().verification != "off":
        beside(send_verification(user))
    return await let_in(user, proof=Proof.REGISTRATION, device=device)


async def _write_quietly(user: store.User, admitted: Admission, *, is_taken: bool, device: Device) -> None:
    if not is_taken:
        try:
            await store.add_user(user)
        except store.EmailTakenError:
            is_taken = True
    if not is_taken:
        await _welcome(user, admitted, device)
        await send_verification(user)
        return
    owner = await store.user_by_email(user.email)
    if owner is not None:
        await post("already_registered", to=owner.email, user_id=owner.id, context={"link": link("forgot-password")})


async def _welcome(user: store.User, admitted: Admission, device: Device) -> None:
    await admission.welcome(admitted, user.id)
    facts = {"invitation": str(admitted.invitation.id)} if admitted.invitation is not None else {}
    await record(Action.REGISTERED, actor=user.id, subject=user.id, device=device, **facts)
