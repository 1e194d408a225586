"""The Host header: on every road it must name a host that is served, once.

Whoever sends another one wants an address of ours made with it: a link in a mail, a page in somebody's cache, an Origin
that looks like ours. Django looks at it when somebody asks for it; here it is looked at before anything else is.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from django.conf import settings
from django.http.request import split_domain_port, validate_host

# Balancers and container engines ask an address, not a name.
_FOR_ANYBODY: Final = frozenset({"/healthz", "/readyz"})
_MOST_KNOWN: Final = 64

_known: set[bytes] = set()
_known_for: list[Sequence[str]] = []


def host_is_served(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether these headers (names in lower case) have exactly one Host, and it is one of ALLOWED_HOSTS."""
    found = [value for name, value in headers if name == b"host"]
    return len(found) == 1 and _is_served(found[0])


def path_needs_host(path: str) -> bool:
    """Whether this path is for hosts of ours alone: all are but the health checks, which tell nothing."""
    return path not in _FOR_ANYBODY


def _is_served(host: bytes) -> bool:
    # Reading it takes longer than all else that is done for a request before its view; there are few right ones.
    allowed = settings.ALLOWED_HOSTS
    if _known_for != [allowed]:
        _known.clear()
        _known_for[:] = [allowed]
    if host in _known:
        return True
    domain, _port = split_domain_port(host.decode("latin-1"))
    served = bool(domain) and validate_host(domain, allowed)
    if served and len(_known) < _MOST_KNOWN:
        _known.add(host)
    return served
