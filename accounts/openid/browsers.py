"""Who begins a sign-in: the person, and not another site's page; and knowing their browser again at its end.

A stranger can take their own sign-in up to the last step and have somebody else's browser finish it, who then writes to
the stranger's account. So the browser that begins is given a secret, and none but it can finish. The cookie is Lax and
not Strict because the last step comes from the provider's page. `__Host-` keeps other hosts of our domain from planting
theirs; it needs TLS, which a developer's machine does not have.
"""

import re
import secrets
from typing import Final

from django.http import HttpRequest, HttpResponse

from accounts.openid.errors import BegunElsewhere
from accounts.tokens import hash_of
from eloquent.foundation.config import get_config

LIFETIME_S: Final = 600
_NAME: Final = "eloquent_openid"
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def require_begun_here(request: HttpRequest) -> None:
    """Return unless the browser says that a page of another site has led it here.

    Such a page could have its visitor signed in who did not ask for it: a provider that knows them sends them back at
    once. Browsers say it over TLS; of old ones nothing is known, and they are let on.

    Raises:
        BegunElsewhere: it does.
    """
    if request.META.get("HTTP_SEC_FETCH_SITE") == "cross-site":
        raise BegunElsewhere


def browser_secret() -> str:
    """A secret for a browser that has none."""
    return secrets.token_urlsafe(32)


def secret_of(request: HttpRequest) -> str | None:
    """The secret of the browser that asks; None when it has none that we could have made."""
    secret = request.COOKIES.get(_name(request), "")
    return secret if _SECRET.fullmatch(secret) else None


def hash_of_browser(request: HttpRequest) -> str:
    """What is stored for the browser that asks; of one without a secret, what is stored for none."""
    secret = secret_of(request)
    return hash_of(secret) if secret else "none"


def remember(request: HttpRequest, response: HttpResponse, secret: str) -> None:
    """Give the browser its secret, or keep it for another ten minutes: several tabs may be under way at once."""
    response.set_cookie(
        _name(request),
        secret,
        max_age=LIFETIME_S,
        path="/",
        secure=_over_tls(request),
        httponly=True,
        samesite="Lax",
    )


def _name(request: HttpRequest) -> str:
    return f"__Host-{_NAME}" if _over_tls(request) else _NAME


def _over_tls(request: HttpRequest) -> bool:
    return get_config().strict or request.is_secure()
