"""The refresh token as a cookie, for browsers: no script can read it, no other site can have it sent.

SameSite keeps other sites' pages from sending it and Path keeps it out of all requests but those under /api/v1/auth.
The Origin check does the rest: pages of other hosts of the same site, and pages that would sign their visitor in as
somebody else. Browsers that say in Sec-Fetch-Site how page and address are related are believed, too: an Origin of our
own host with another scheme, say a page that somebody has put in between without TLS, is no page of ours.
"""

from typing import Final

from django.http import HttpRequest, HttpResponse

from accounts.errors import ForeignOrigin, RefreshRefused
from accounts.origins import is_own_or_allowed
from accounts.sessions import SESSION_LIFETIME
from eloquent.foundation.config import get_config

# With this prefix a browser takes the cookie over TLS only, so that nobody can plant one over plain HTTP. The stronger
# `__Host-` would send it to every path.
REFRESH_COOKIE: Final = f"{'__Secure-' if get_config().strict else ''}eloquent_refresh"
COOKIE_PATH: Final = "/api/v1/auth"
_SAME_ORIGIN: Final = "same-origin"


def is_from_own_page(request: HttpRequest) -> bool:
    """Whether the request comes from our own page or an allowed frontend; not for a request without an Origin."""
    origin, config = request.META.get("HTTP_ORIGIN"), get_config()
    if not is_own_or_allowed(origin, host=request.get_host()):
        return False
    if origin in config.allowed_origins:
        return True
    if config.strict and not str(origin).startswith("https://"):
        return False
    # Sent by browsers over TLS and to the own machine.
    site: str = request.META.get("HTTP_SEC_FETCH_SITE", _SAME_ORIGIN)
    return site == _SAME_ORIGIN


def require_own_page(request: HttpRequest) -> None:
    """Return when the request comes from our own page or an allowed frontend.

    Raises:
        ForeignOrigin: another page, or no browser at all.
    """
    if not is_from_own_page(request):
        raise ForeignOrigin


def refresh_cookie_of(request: HttpRequest) -> str | None:
    """The cookie's refresh token; None when there is none.

    Raises:
        ForeignOrigin: there is one, and the page that sent it may not use it.
        RefreshRefused: there are several. A page of another host below ours can give the browser one that is sent
            along, and nothing says which is ours: taking either could go on with a stranger's session.
    """
    token = request.COOKIES.get(REFRESH_COOKIE)
    if not token:
        return None
    require_own_page(request)
    names = [pair.partition("=")[0].strip() for pair in request.META.get("HTTP_COOKIE", "").split(";")]
    if names.count(REFRESH_COOKIE) > 1:
        raise RefreshRefused("The browser sent several sign-in cookies. Delete this site's cookies and sign in again.")
    return token


def set_refresh_cookie(request: HttpRequest, response: HttpResponse, token: str) -> None:
    """Give the browser the token for as long as the session lives unused.

    Always Secure in staging and production; elsewhere when the page came over TLS, so that a developer's machine works
    over plain HTTP in every browser.
    """
    response.set_cookie(
        REFRESH_COOKIE,
        token,
        max_age=SESSION_LIFETIME,
        path=COOKIE_PATH,
        secure=get_config().strict or request.is_secure(),
        httponly=True,
        samesite="Strict",
    )


def drop_refresh_cookie(response: HttpResponse) -> None:
    """Have the browser forget the token."""
    response.delete_cookie(REFRESH_COOKIE, path=COOKIE_PATH, samesite="Strict")
