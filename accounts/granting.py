"""The answer to whoever is let in: the user and a pair of tokens, or the refresh token as a cookie."""

from django.http import HttpRequest, HttpResponse

from accounts import cookies
from accounts.device_cookie import remember_device
from accounts.limits.device_tokens import new_token
from accounts.schemas import grant_out
from accounts.sessions import Grant
from eloquent.foundation.replies import json_reply


def grant_reply(
    request: HttpRequest, grant: Grant, *, as_cookie: bool, status: int = 200, signs_in: bool = False
) -> HttpResponse:
    """A GrantOut. With `signs_in` the device is given what it is known by at its next sign-in."""
    token = new_token(grant.user.email) if signs_in and not as_cookie else None
    reply = json_reply(grant_out(grant, with_refresh_token=not as_cookie, device_token=token), status=status)
    if as_cookie:
        if signs_in:
            remember_device(request, reply, grant.user.email)
        cookies.set_refresh_cookie(request, reply, grant.refresh_token)
    return reply
