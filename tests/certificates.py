"""Clients of tests share the certificates that they trust: each of thousands would read the machine's anew, for 40 ms.

Nearly all of them speak plain HTTP to the loopback. Servers that tests start as processes of their own are left alone.
"""

import os
import ssl
from functools import cache
from typing import Any

from httpx._transports import default

_create = default.create_ssl_context


@cache
def _created(_file: str | None, options: frozenset[tuple[str, Any]]) -> ssl.SSLContext:
    return _create(**dict(options))


def _shared(**options: Any) -> ssl.SSLContext:
    # Where the certificates are is the environment's to say, in the moment in which a client is made.
    return _created(os.environ.get("SSL_CERT_FILE"), frozenset(options.items()))


default.create_ssl_context = _shared
