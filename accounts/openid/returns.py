"""Where people are sent when they come back from a provider: to pages of ours and of our frontends alone."""

import re
from collections.abc import Container
from typing import Final
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest

from accounts.origins import is_own_origin
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import InvalidInput

LONGEST_NEXT: Final = 1500
# No blanks and no control characters, which browsers drop; no backslash, which they read as a slash.
_PLAIN: Final = re.compile(r"[!-\[\]-~]+")


def next_of(text: str | None, *, host: str) -> str:
    """The page to go on at, as it was asked for; the frontend's first page, or ours, when it was not.

    Args:
        text: a path here, or the address of a page of an allowed frontend.
        host: our own host and port, as the browser knows them.

    Raises:
        InvalidInput: it leads somewhere else, or two programs might disagree about where it leads.
    """
    if not text:
        return get_config().frontend_url or "/"
    if not is_ours(text, host=host, allowed=_frontends()):
        sentence = "It must be a path on this host, or a page of FRONTEND_URL or ALLOWED_ORIGINS."
        raise InvalidInput(sentence, errors=[{"loc": ["query", "next"], "msg": sentence}])
    return text


def is_ours(text: str, *, host: str, allowed: Container[str]) -> bool:
    """The rule itself, pure."""
    if len(text) > LONGEST_NEXT or not _PLAIN.fullmatch(text):
        return False
    if text.startswith("/"):
        return not text.startswith("//")
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    # An empty host (`https:evil`, `https:///evil`) is one that a browser makes up from what follows.
    return bool(parts.netloc) and is_own_origin(f"{parts.scheme}://{parts.netloc}".lower(), host=host, allowed=allowed)


def told(url: str, **words: str) -> str:
    """The address with something for the page to read behind `#`, in the place of what stood there.

    What stands behind `#` is sent to no server, so it is in no log and in no Referer.
    """
    return f"{url.partition('#')[0]}#{urlencode(words)}"


def callback_of(request: HttpRequest, provider: str) -> str:
    """The address that is registered with the provider.

    NEXT_PUBLIC_API_URL says where browsers find us; production does not start without it. On a developer's machine it
    is the host that was asked, which must be one of ALLOWED_HOSTS.
    """
    base = get_config().next_public_api_url or f"{request.scheme}://{request.get_host()}"
    return f"{base}/api/v1/auth/openid/{provider}/callback"


def _frontends() -> frozenset[str]:
    config = get_config()
    parts = urlsplit(config.frontend_url or "")
    return frozenset({*config.allowed_origins, f"{parts.scheme}://{parts.netloc}".lower()} - {"://"})
