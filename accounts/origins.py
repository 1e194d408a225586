"""Which pages may use the sign-in cookie and open sockets: our own, and the frontends in ALLOWED_ORIGINS.

A browser says in the Origin header which page sends a request; a page cannot change it. Programs that are not browsers
send what they like, but have no visitor's cookie to misuse.
"""

from collections.abc import Container
from urllib.parse import urlsplit

from eloquent.foundation.config import get_config


def is_own_or_allowed(origin: str | None, *, host: str) -> bool:
    """Whether the Origin header names the host that was asked, or an allowed frontend."""
    config = get_config()
    return is_own_origin(origin, host=host, allowed=config.allowed_origins, plain=not config.strict)


def is_own_origin(origin: str | None, *, host: str, allowed: Container[str], plain: bool = True) -> bool:
    """The rule itself, pure. A missing Origin and `null` (sandboxed pages, files) are nobody's.

    Our own origin is told by host and port: behind a proxy that ends TLS the scheme that was asked cannot be seen.
    Where everything is served over TLS (not `plain`), a page that came without it was made by somebody on the way.
    """
    if not origin:
        return False
    if origin in allowed:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return (
        parts.scheme in ({"http", "https"} if plain else {"https"})
        and bool(host)
        and parts.netloc.lower() == host.lower()
    )
