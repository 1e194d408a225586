"""The second step of a sign-in over HTTP, and the sign-in with a passkey alone. Nobody is signed in here yet."""

from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts import cookies, signing_in, throttle
from accounts.addresses import throttle_key
from accounts.devices import Device, device_of
from accounts.granting import granted
from accounts.schemas import GrantOut
from accounts.second_factor import ceremonies, challenges
from accounts.second_factor.ceremonies import Purpose
from accounts.second_factor.relying_party import relying_party
from accounts.second_factor.schemas import PasskeyOptionsOut, PasskeyQuestion, PasskeySignIn, SecondFactorAnswer
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import json_reply

router = Router(tags=["accounts"])


@router.post(
    "/auth/second-factor",
    response={200: GrantOut, **problems(401, 403, 422, 429)},
    operation_id="answer_second_factor",
    summary="Sign in: the second step",
)
async def answer_second_factor(request: HttpRequest, body: SecondFactorAnswer) -> HttpResponse:
    """With what the authenticator app shows, a recovery code, or what a passkey signed.

    422 `wrong_code` or `passkey_refused`: try again, five times at most. 401 `challenge_refused`: begin anew.
    429 `too_many_codes`: only a recovery code or a passkey is taken for now.
    """
    if body.cookie:
        cookies.require_own_page(request)
    device = await _counted(request)
    party = relying_party(request.get_host())
    grant = await signing_in.answer_challenge(body.challenge, body.answer(), party=party, device=device)
    return await granted(request, grant, as_cookie=body.cookie, signs_in=True)


@router.post(
    "/auth/passkey/options",
    response={200: PasskeyOptionsOut, **problems(401, 422, 429)},
    operation_id="ask_for_passkey",
    summary="Get what a passkey is to sign",
)
async def ask_for_passkey(request: HttpRequest, body: PasskeyQuestion) -> HttpResponse:
    """With a challenge, for its second step; without one, for a sign-in with a passkey alone. Good once."""
    await _counted(request)
    party = relying_party(request.get_host())
    if body.challenge is not None:
        options = await challenges.passkey_options(body.challenge, party=party)
    else:
        options = await ceremonies.assertion_options([], purpose=Purpose.SIGN_IN, bound_to="", party=party)
    return json_reply({"options": options, "expires_in": int(ceremonies.LIFETIME.total_seconds())})


@router.post(
    "/auth/passkey",
    response={200: GrantOut, **problems(401, 403, 422, 429)},
    operation_id="sign_in_with_passkey",
    summary="Sign in with a passkey alone",
)
async def sign_in_with_passkey(request: HttpRequest, body: PasskeySignIn) -> HttpResponse:
    """A passkey that verified its user (by PIN, finger or face) is both factors at once."""
    if body.cookie:
        cookies.require_own_page(request)
    device = await _counted(request)
    party = relying_party(request.get_host())
    grant = await signing_in.sign_in_with_passkey(body.passkey.model_dump(), party=party, device=device)
    return await granted(request, grant, as_cookie=body.cookie, signs_in=True)


async def _counted(request: HttpRequest) -> Device:
    device = device_of(request)
    await throttle.spend(throttle.SECOND_FACTOR_BY_ADDRESS, throttle_key(device.address))
    return device
