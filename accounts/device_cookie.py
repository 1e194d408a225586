"""The device tokens of a browser as a cookie, for both doors: the API's and the staff console's.

It opens nothing and no script can read it. It has a token for each of the last few accounts that signed in here.
"""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from accounts.limits.device_tokens import KNOWN_FOR_S, TOKEN_CHARS, known_device, new_token
from eloquent.foundation.config import get_config

# With this prefix nobody can plant one: not over plain HTTP, and not from another host of the same site.
DEVICE_COOKIE: Final = f"{'__Host-' if get_config().strict else ''}eloquent_device"
MOST_ACCOUNTS: Final = 5

_BETWEEN: Final = "."


def device_tokens_of(request: HttpRequest, sent: str | None = None) -> list[str]:
    """The tokens that came with the request: `sent` in its body, and those of the cookie."""
    kept = request.COOKIES.get(DEVICE_COOKIE, "")[: MOST_ACCOUNTS * (TOKEN_CHARS + 1)].split(_BETWEEN)
    return [sent, *kept] if sent else kept


def remember_device(request: HttpRequest, response: HttpResponse | HttpResponseBase, email: str) -> None:
    """Give the browser a fresh token for the account, in the place of the one that it had."""
    others = [token for token in device_tokens_of(request) if token and known_device([token], email) is None]
    response.set_cookie(
        DEVICE_COOKIE,
        _BETWEEN.join([new_token(email), *others][:MOST_ACCOUNTS]),
        max_age=KNOWN_FOR_S,
        path="/",
        secure=get_config().strict or request.is_secure(),
        httponly=True,
        samesite="Strict",
    )
