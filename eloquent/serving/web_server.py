"""The web server: `python -m eloquent.serving.web_server [--host HOST] [--port PORT] [--workers N] [--tls]`.

Where it listens is what HOST, PORT and WORKERS say, unless the options do. The options of uvicorn that matter stand
here, once. Several workers are processes that share one listening socket: any of them may get any request. One that
dies, or hangs, is replaced; the first signal lets all of them drain, a second one hurries them.
"""

import argparse
import os
import signal
import sys
from contextlib import suppress

import uvicorn
from uvicorn.supervisors import Multiprocess

from eloquent.foundation.config import ConfigFaults, get_config
from eloquent.foundation.timeout_chain import SERVER_CLOSING_S, SOCKET_PING_S
from eloquent.serving.http_protocol import BoundedHttp
from eloquent.serving.own_tls import own_tls

LARGEST_FRAME = 256 * 1024
MISUSE = 2
KEEP_ALIVE_S = 5
_LOOK_EVERY_S = 0.1
# uvicorn's workers end by the very signal that they have obeyed.
_ENDED_AS_ASKED = frozenset({0, -signal.SIGTERM, -signal.SIGINT})


class Workers(Multiprocess):
    """uvicorn's supervisor, which passes every further signal on while its workers drain."""

    def join_all(self) -> None:
        """Return when all workers have ended."""
        while living := [worker for worker in self.processes if worker.process.is_alive()]:
            living[0].process.join(_LOOK_EVERY_S)
            while self.signal_queue:
                number = self.signal_queue.pop(0)
                for worker in living:
                    with suppress(ProcessLookupError):
                        os.kill(worker.process.pid or 0, number)


def main() -> int:
    """Serves until SIGTERM or SIGINT; not 0 when it could not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--keep-alive", type=int, default=KEEP_ALIVE_S, help="seconds that a silent connection is kept")
    parser.add_argument(
        "--tls", action="store_true", help="for a load balancer that asks for no certificate in particular"
    )
    arguments = parser.parse_args()
    try:
        settings = get_config()
    except ConfigFaults as faults:
        sys.stderr.write(f"{faults}\n")
        return MISUSE
    workers = settings.workers if arguments.workers is None else arguments.workers
    config = uvicorn.Config(
        "eloquent.asgi:application" if workers == 1 else "eloquent.worker:application",
        host=arguments.host or settings.host,
        port=settings.port if arguments.port is None else arguments.port,
        workers=workers,
        loop="uvloop",
        http=BoundedHttp,
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,  # Django's LOGGING speaks for uvicorn, too
        access_log=False,
        server_header=False,
        timeout_keep_alive=arguments.keep_alive,
        proxy_headers=False,  # the application believes as many proxies as TRUSTED_PROXY_HOPS says
        ws_max_size=LARGEST_FRAME,
        ws_per_message_deflate=False,  # costs 300 KB a socket and delays small frames
        ws_ping_interval=SOCKET_PING_S,
        # The application has brought its runs to rest before uvicorn hears of the signal: see eloquent.lifespan.
        timeout_graceful_shutdown=SERVER_CLOSING_S,
        ssl_context_factory=own_tls if arguments.tls else None,
    )
    if workers == 1:
        server = uvicorn.Server(config)
        server.run()
        return 0 if server.started else 1
    if settings.redis_url is None:
        sys.stderr.write("Several workers share running answers through Redis: set REDIS_URL, or WORKERS=1.\n")
        return MISUSE
    os.environ["ELOQUENT_SUPERVISOR_PID"] = str(os.getpid())  # see eloquent/worker.py, which only a worker may import
    supervisor = Workers(config, sockets=[config.bind_socket()])
    supervisor.run()
    return int(any(worker.exitcode not in _ENDED_AS_ASKED for worker in supervisor.processes))


if __name__ == "__main__":
    sys.exit(main())
