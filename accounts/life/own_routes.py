"""What the owner of an account does with it over HTTP: a new email, closing it."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts import cookies, throttle
from accounts.addresses import throttle_key
from accounts.authentication import SessionAuth, identity_of
from accounts.devices import device_of
from accounts.life import deactivation, email_change, limits
from accounts.life.schemas import (
    ConfirmationOut,
    EmailChangeOut,
    EmailStateOut,
    LinkIn,
    NewEmail,
    email_change_out,
)
from accounts.schemas import OwnersProof
from accounts.users import user_of
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import empty_reply, json_reply

signed_in: Final = SessionAuth()
router = Router(tags=["accounts"])


@router.post(
    "/me/email",
    auth=signed_in,
    response={202: EmailChangeOut, **problems(401, 403, 409, 422, 429)},
    operation_id="change_email",
    summary="Ask for another email",
)
async def change_email(request: HttpRequest, body: NewEmail) -> HttpResponse:
    """Letters go to both addresses; the email changes when both have confirmed. Takes the place of an earlier wish.

    The address so far has no say where it was never proven. 202 also when the new address is somebody else's account:
    who has it is written to, and nobody else told.
    """
    identity = identity_of(request)
    await throttle.spend(limits.CHANGE_EMAIL_BY_USER, str(identity.user_id))
    await throttle.spend(limits.CHANGE_EMAIL_TO, body.new_email)
    change = await email_change.ask_for_change(identity, body.new_email, body.evidence(), device=device_of(request))
    return json_reply(email_change_out(change), status=202)


@router.get(
    "/me/email",
    auth=signed_in,
    response={200: EmailStateOut, **problems(401)},
    operation_id="read_email",
    summary="See the own email, and what it is to be changed to",
)
async def read_email(request: HttpRequest) -> HttpResponse:
    """`pending` is null when no change waits."""
    identity = identity_of(request)
    user, change = await user_of(identity), await email_change.change_of(identity)
    return json_reply(
        {
            "email": user.email,
            "email_verified": user.email_verified_at is not None,
            "pending": None if change is None else email_change_out(change),
        }
    )


@router.delete(
    "/me/email",
    auth=signed_in,
    response={204: None, **problems(401)},
    operation_id="cancel_email_change",
    summary="Cancel the change of email",
)
async def cancel_email_change(request: HttpRequest) -> HttpResponse:
    """The email stays; the links in the letters do nothing any more. 204 also when no change waits."""
    await email_change.cancel_change(identity_of(request))
    return empty_reply()


@router.post(
    "/auth/confirm-email",
    response={200: ConfirmationOut, **problems(409, 422, 429)},
    operation_id="confirm_email",
    summary="Confirm a change of email by the link in a letter",
)
async def confirm_email(request: HttpRequest, body: LinkIn) -> HttpResponse:
    """Takes no access token. 409 `email_taken` when somebody made an account with the new address meanwhile."""
    device = device_of(request)
    await throttle.spend(limits.LINKS_BY_ADDRESS, throttle_key(device.address))
    done = await email_change.confirm_change(body.token, device=device)
    return json_reply({"new_email": done.email, "changed": done.waits_for is None, "waits_for": done.waits_for})


@router.post(
    "/me/deactivate",
    auth=signed_in,
    response={204: None, **problems(401, 403, 422, 429)},
    operation_id="deactivate_me",
    summary="Close the own account",
)
async def deactivate_me(request: HttpRequest, body: OwnersProof) -> HttpResponse:
    """All sessions end, sockets close, API keys are refused, answers in the making stop. Nothing is deleted.

    It is opened again by the link of a forgotten password.
    """
    await deactivation.deactivate(identity_of(request), body.evidence(), device=device_of(request))
    reply = empty_reply()
    if cookies.REFRESH_COOKIE in request.COOKIES:
        cookies.drop_refresh_cookie(reply)
    return reply
