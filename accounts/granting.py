"""The answer to whoever is let in: the user and a pair of tokens, or the refresh token as a cookie."""

import contextlib

from django.http import HttpRequest, HttpResponse

from accounts import cookies, sessions
from accounts.device_cookie import remember_device
from accounts.devices import device_of
from accounts.errors import RefreshRefused
from accounts.limits.device_tokens import new_token
from accounts.schemas import challenge_out, grant_out
from accounts.second_factor.challenges import Challenge
from accounts.sessions import Grant
from eloquent.foundation.replies import json_reply


async def granted(
    request: HttpRequest, outcome: Grant | Challenge, *, as_cookie: bool, status: int = 200, signs_in: bool = False
) -> HttpResponse:
    """The answer of every way in: a GrantOut; or 202, a ChallengeOut, for whoever has a second factor to show.

    With `signs_in` the device is given what it is known by at its next sign-in, and the session whose cookie is
    replaced ends: nothing of that browser leads to it any more.
    """
    if isinstance(outcome, Challenge):
        return json_reply(challenge_out(outcome), status=202)
    token = new_token(outcome.user.email) if signs_in and not as_cookie else None
    reply = json_reply(grant_out(outcome, with_refresh_token=not as_cookie, device_token=token), status=status)
    if as_cookie:
        if signs_in:
            await _end_replaced(request)
            remember_device(request, reply, outcome.user.email)
        cookies.set_refresh_cookie(request, reply, outcome.refresh_token)
    return reply


async def _end_replaced(request: HttpRequest) -> None:
    with contextlib.suppress(RefreshRefused):
        token = cookies.refresh_cookie_of(request)
        if token is not None:
            await sessions.end_session_of_refresh_token(token, device=device_of(request))
