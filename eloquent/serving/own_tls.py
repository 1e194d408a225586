"""TLS for a server behind a load balancer that asks for no certificate in particular, such as AWS's.

Nobody has to bring a key or to remember when it ends: each process makes its own when it starts, and it ends with the
process. It keeps out who reads along on the way; who may come at all is the network's business.
"""

import ssl
import tempfile
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import uvicorn

from eloquent.foundation.certificates import self_signed

_HOST: Final = "eloquent"
_LASTS: Final = timedelta(days=3650)
"""Longer than any process."""


def own_tls(_config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """TLS 1.2 or later with a key that was made now. As uvicorn's `ssl_context_factory`."""
    identity = self_signed(_HOST, lasts=_LASTS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Python reads keys from files alone: one that its owner alone may read, and that is gone a moment later.
    with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
        file.write(identity.key + identity.certificate)
        file.flush()
        context.load_cert_chain(file.name)
    return context
