"""Whether this container's server is alive: `python -m eloquent.serving.probe [--tls]`, 0 for yes. For HEALTHCHECK.

It loads neither Django nor the settings: an image has no curl, and this runs every few seconds.
"""

import http.client
import os
import ssl
import sys
from typing import Final

_TIMEOUT_S: Final = 4.0


def main() -> int:
    """0 when `/healthz` at PORT says so, 1 otherwise, with a line that says why."""
    port = int(os.environ.get("PORT") or 8000)
    if "--tls" in sys.argv[1:]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # The server has made its certificate itself, and is in the same container.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=_TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"/healthz: {type(error).__name__}\n")
        return 1
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        sys.stderr.write(f"/healthz: {status}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
