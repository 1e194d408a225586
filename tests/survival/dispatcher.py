"""A balancer without memory: every request goes to a worker of its own choice, never twice to the same for a reason.

It relays bytes as they come, in both directions, for HTTP and websockets alike. When a worker dies its clients'
connections end with it; when a client leaves, so does its connection to the worker. A worker that takes no connection
is passed over. Each request comes, as far as a worker can tell, from another address.
"""

import asyncio
import contextlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

_PIECE = 65536
_NOBODY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Dispatcher:
    """`async with Dispatcher(dice) as dispatcher:` serves at `dispatcher.url` in the running loop. Set `ports`."""

    def __init__(self, dice: random.Random) -> None:
        self.ports: Sequence[int] = ()
        self.sent: dict[int, int] = {}
        """How many requests went to each port."""
        self._dice = dice
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @contextmanager
    def only(self, *ports: int) -> Iterator[None]:
        """Send all requests to these for a while."""
        before, self.ports = self.ports, ports
        try:
            yield
        finally:
            self.ports = before

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            worker = await self._connect()
            if worker is None:
                writer.write(_NOBODY)
                return
            try:
                worker[1].write(self._rewritten(head))
                await _until_one_ends(_pipe(reader, worker[1]), _pipe(worker[0], writer))
            finally:
                worker[1].close()
        except (OSError, asyncio.IncompleteReadError):
            return  # somebody left
        finally:
            self._serving.discard(task)
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self._dice.sample(self.ports, len(self.ports)):
            with contextlib.suppress(OSError):
                connection = await asyncio.open_connection("127.0.0.1", port)
                self.sent[port] = self.sent.get(port, 0) + 1
                return connection
        return None

    def _rewritten(self, head: bytes) -> bytes:
        """The head for the worker. One request a connection: the next one shall go elsewhere."""
        first, *headers = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        if not any(header.lower().startswith(b"upgrade:") for header in headers):
            headers = [header for header in headers if not header.lower().startswith(b"connection:")]
            headers.append(b"Connection: close")
        address = ".".join(str(self._dice.randrange(1, 255)) for _ in range(3))
        return b"\r\n".join([first, *headers, f"X-Forwarded-For: 10.{address}".encode(), b"", b""])


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()


async def _until_one_ends(*pipes: "asyncio.Future[None] | asyncio.Task[None]") -> None:
    tasks = [asyncio.ensure_future(pipe) for pipe in pipes]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
