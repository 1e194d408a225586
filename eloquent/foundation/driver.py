"""PyMongo's waiting for a reply, without the three tasks that it makes for each command.

Its asyncio side sends in one task, reads in a second and polls for cancellation in a third, and then waits for two of
them to be gone: a quarter of the CPU of a short command (60 of 240 µs), and an answer takes seven. Here one timer a
command keeps the same promises: the reply in time, or the error that PyMongo would raise, within the same half second.

`tests/database/test_driver.py` fails when PyMongo changes what is replaced.
"""

import asyncio
import time
from typing import Any, Final

from pymongo import _csot
from pymongo.asynchronous import pool
from pymongo.errors import ProtocolError, _OperationCancelled
from pymongo.message import _UNPACK_REPLY, _OpMsg
from pymongo.network_layer import PyMongoProtocol

# How soon a command notices that the pool has given its connection up, as in PyMongo.
_LOOK_EVERY_S: Final = 0.5


def install() -> None:
    """Have every AsyncMongoClient of this process wait this way. Safe to repeat."""
    replaced: Any = pool
    replaced.async_sendall = send
    replaced.async_receive_message = receive


async def send(protocol: PyMongoProtocol, message: bytes) -> None:
    """Hand a message to the connection. PyMongo's buffer takes any message whole, so there is nothing to wait for."""
    await protocol.write(message)


async def receive(connection: pool.AsyncConnection, request_id: int | None, max_message_size: int) -> _OpMsg:
    """The reply to the request.

    Raises:
        TimeoutError: not within the operation's deadline, or else the connection's timeout.
        _OperationCancelled: the pool gave the connection up: the server does not answer its heartbeat.
        OSError: the connection broke.
    """
    protocol = connection.conn.get_conn
    watch = _Watch(connection, protocol)
    try:
        reply, op_code = await protocol.read(request_id, max_message_size)
    finally:
        watch.end()
    unpack = _UNPACK_REPLY.get(op_code)
    if unpack is None:
        raise ProtocolError(f"Got opcode {op_code!r} but expected {_UNPACK_REPLY.keys()!r}")
    return unpack(reply)


class _Watch:
    """Closes the connection when a command's deadline has passed or the pool has given it up.

    An object and not functions in one another: those would hold each other, and be garbage for the collector.
    """

    __slots__ = ("_connection", "_deadline", "_loop", "_protocol", "_timer")

    def __init__(self, connection: pool.AsyncConnection, protocol: PyMongoProtocol) -> None:
        self._connection = connection
        self._protocol = protocol
        self._deadline = _deadline(protocol)
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._next_look_s(), self._look)

    def end(self) -> None:
        self._timer.cancel()

    def _next_look_s(self) -> float:
        deadline = self._deadline
        return _LOOK_EVERY_S if deadline is None else min(_LOOK_EVERY_S, max(deadline - time.monotonic(), 0))

    def _look(self) -> None:
        if self._connection.cancel_context.cancelled:
            self._protocol.close(_OperationCancelled("operation cancelled"))
        elif self._deadline is not None and time.monotonic() >= self._deadline:
            self._protocol.close(TimeoutError("timed out"))
        else:
            self._timer = self._loop.call_later(self._next_look_s(), self._look)


def _deadline(protocol: PyMongoProtocol) -> float | None:
    """By the monotonic clock."""
    if _csot.get_timeout():
        return _csot.get_deadline()
    timeout_s = protocol.gettimeout
    return time.monotonic() + timeout_s if timeout_s else None
