"""The web server's process: `python -m eloquent.embedded.web_server --host HOST --port PORT`.

The options of uvicorn that matter stand here, once.
"""

import argparse
import sys

import uvicorn

LARGEST_FRAME = 64 * 1024
# The application has brought its runs to rest before uvicorn hears of the signal: see eloquent.lifespan.
SHUTDOWN_TIMEOUT_S = 5


def main() -> int:
    """Serves until SIGTERM or SIGINT; not 0 when it could not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    server = uvicorn.Server(
        uvicorn.Config(
            "eloquent.asgi:application",
            host=arguments.host,
            port=arguments.port,
            loop="uvloop",
            http="httptools",
            ws="websockets-sansio",
            lifespan="on",
            log_config=None,  # Django's LOGGING speaks for uvicorn, too
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the application believes as many proxies as TRUSTED_PROXY_HOPS says
            ws_max_size=LARGEST_FRAME,
            ws_per_message_deflate=False,  # costs 300 KB a socket and delays small frames
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
        )
    )
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
