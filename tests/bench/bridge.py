"""What speaks TLS for a side of the bench that speaks none: bytes are passed on as they come, both ways.

    python -m tests.bench.bridge --port P --to Q --accepts-tls FILE    TLS comes in, with the file's key; plain goes out
    python -m tests.bench.bridge --port P --to Q --asks-tls            plain comes in; TLS goes out, nothing is checked

A process of its own, whose CPU nobody counts: what is measured is the server on the other side of the TLS.
"""

import argparse
import asyncio
import ssl
from typing import cast

import uvloop


class _End(asyncio.Protocol):
    """One end of a connection that is passed on; what comes before the other end is there waits."""

    def __init__(self, other: "_End | None" = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        for data in self._early:
            self.transport.write(data)

    def pass_on(self, data: bytes) -> None:
        if self.transport is None:
            self._early.append(data)
        else:
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self.other.pass_on(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class _Near(_End):
    """The end that was connected to; it opens the far one."""

    def __init__(self, to: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(_End(self))
        self._to, self._tls = to, tls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        far = cast("_End", self.other)
        await asyncio.get_running_loop().create_connection(lambda: far, "127.0.0.1", self._to, ssl=self._tls)


async def _serve(port: int, to: int, accepts: ssl.SSLContext | None, asks: ssl.SSLContext | None) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: _Near(to, asks), "127.0.0.1", port, ssl=accepts, backlog=4096
    )
    await server.serve_forever()


def main() -> None:
    """Until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--accepts-tls", metavar="FILE")
    parser.add_argument("--asks-tls", action="store_true")
    arguments = parser.parse_args()
    accepts = asks = None
    if arguments.accepts_tls:
        accepts = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        accepts.load_cert_chain(arguments.accepts_tls)
    if arguments.asks_tls:
        asks = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        asks.check_hostname, asks.verify_mode = False, ssl.CERT_NONE
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(arguments.port, arguments.to, accepts, asks))


if __name__ == "__main__":
    main()
