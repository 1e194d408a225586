"""The life of an account over HTTP: what it takes to register, proving an email, a forgotten password."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts import cookies, sessions, throttle
from accounts.addresses import throttle_key
from accounts.authentication import SessionAuth, identity_of
from accounts.devices import device_of
from accounts.errors import RefreshRefused
from accounts.granting import granted
from accounts.life import admission, limits, recovery, verification
from accounts.life.schemas import (
    EmailIn,
    EmailProof,
    InvitationOut,
    LetterOut,
    LinkIn,
    PasswordReset,
    RegistrationOut,
    VerifiedOut,
)
from accounts.openid.schemas import provider_list_out
from accounts.password_rules import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS
from accounts.schemas import ChallengeOut, GrantOut
from accounts.users import user_of
from eloquent.foundation.config import get_config
from eloquent.foundation.ids import UserId
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import json_reply

signed_in: Final = SessionAuth()
router = Router(tags=["accounts"])


@router.get(
    "/auth/registration",
    response={200: RegistrationOut, **problems(422)},
    operation_id="read_registration",
    summary="See what it takes to make an account",
)
async def read_registration(request: HttpRequest) -> HttpResponse:
    """For the form of a frontend: who may register, how long passwords are, and whether a letter comes first."""
    del request
    config = get_config()
    return json_reply(
        {
            "mode": config.registration,
            "domains": list(config.registration_domains) if config.registration == "domain" else None,
            "password": {"min": MIN_PASSWORD_CHARS, "max": MAX_PASSWORD_CHARS},
            "email_verification": config.verification,
            "mail": config.sends_mail,
            "identity_providers": provider_list_out()["items"],
        }
    )


@router.post(
    "/auth/invitation",
    response={200: InvitationOut, **problems(403, 422, 429)},
    operation_id="read_invitation",
    summary="Look at an invitation",
)
async def read_invitation(request: HttpRequest, body: LinkIn) -> HttpResponse:
    """Whom it is for, and until when. It is used by registering with it, and not by this."""
    await _spend_by_address(request, limits.LINKS_BY_ADDRESS)
    invitation = await admission.invitation_in_force(body.token)
    return json_reply({"email": invitation.email, "expires_at": invitation.expires_at})


@router.post(
    "/auth/verify-email",
    response={200: VerifiedOut, **problems(403, 422, 429)},
    operation_id="verify_email",
    summary="Prove an email by the link in a letter",
)
async def verify_email(request: HttpRequest, body: EmailProof) -> HttpResponse:
    """Signs nobody in. In a browser that is signed in to the account by cookie the token is enough.

    Elsewhere, say on the device where letters are read, 422 `wrong_password` asks for the password: whoever reads the
    letter need not be who made the account. The link can then still be used.
    """
    await _spend_by_address(request, limits.LINKS_BY_ADDRESS)
    user = await verification.verify_email(
        body.token,
        signed_in=await _signed_in_by_cookie(request),
        password=body.current_password,
        device=device_of(request),
    )
    return json_reply({"email": user.email, "email_verified": True})


@router.post(
    "/auth/verify-email/resend",
    auth=signed_in,
    response={202: LetterOut, **problems(401, 409, 422, 429)},
    operation_id="resend_verification",
    summary="Have the letter sent again",
)
async def resend_verification(request: HttpRequest) -> HttpResponse:
    """409 when the email is proven already; 503 `mail_is_off` where no letters are sent."""
    user = await user_of(identity_of(request))
    await verification.send_verification_again(user)
    return json_reply({"email": user.email}, status=202)


@router.post(
    "/auth/password/forgot",
    response={202: LetterOut, **problems(422, 429)},
    operation_id="forgot_password",
    summary="Have a link sent that sets a new password",
)
async def forgot_password(request: HttpRequest, body: EmailIn) -> HttpResponse:
    """202 whether there is an account with this email or not; the letter alone tells."""
    verification.require_mail()
    await _spend_by_address(request, limits.LETTERS_BY_ADDRESS)
    await throttle.spend(limits.RESET_BY_EMAIL, body.email)
    await recovery.send_reset(body.email, device=device_of(request))
    return json_reply({"email": body.email}, status=202)


@router.post(
    "/auth/password/reset",
    response={200: GrantOut, 202: ChallengeOut, **problems(401, 403, 422, 429)},
    operation_id="reset_password",
    summary="Set a new password by a link, and sign in",
)
async def reset_password(request: HttpRequest, body: PasswordReset) -> HttpResponse:
    """All sessions of the account end, this one begins. An account that its owner had closed is open again.

    A user with a second factor is answered 202 with a challenge, as at `/auth/login`.

    A link that was refused for its password can still be used.
    """
    if body.cookie:
        cookies.require_own_page(request)
    await _spend_by_address(request, limits.LINKS_BY_ADDRESS)
    grant = await recovery.reset_password(body.token, body.new_password, device=device_of(request))
    return await granted(request, grant, as_cookie=body.cookie, signs_in=True)


async def _spend_by_address(request: HttpRequest, limit: throttle.Limit) -> None:
    await throttle.spend(limit, throttle_key(device_of(request).address))


async def _signed_in_by_cookie(request: HttpRequest) -> UserId | None:
    try:
        token = cookies.refresh_cookie_of(request)
        return await sessions.owner_of_refresh_token(token) if token is not None else None
    except RefreshRefused:
        return None
