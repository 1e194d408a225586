"""The answer to whoever is let in: the user and a pair of tokens, or the refresh token as a cookie."""

from django.http import HttpRequest, HttpResponse

from accounts import cookies
from accounts.schemas import grant_out
from accounts.sessions import Grant
from eloquent.foundation.replies import json_reply


def grant_reply(request: HttpRequest, grant: Grant, *, as_cookie: bool, status: int = 200) -> HttpResponse:
    """A GrantOut."""
    reply = json_reply(grant_out(grant, with_refresh_token=not as_cookie), status=status)
    if as_cookie:
        cookies.set_refresh_cookie(request, reply, grant.refresh_token)
    return reply
