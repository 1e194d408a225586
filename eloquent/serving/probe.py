"""Whether the server of this container is alive: `python -m eloquent.serving.probe`, 0 for yes. For HEALTHCHECK.

It loads neither Django nor the settings: an image has no curl, and this runs every few seconds.
"""

import http.client
import os
import sys
from typing import Final

_TIMEOUT_S: Final = 4.0


def main() -> int:
    """0 when `/healthz` at PORT says so, 1 otherwise, with a line that says why."""
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8000), timeout=_TIMEOUT_S)
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
