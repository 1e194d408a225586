"""A span for each command to MongoDB: its name and its collection, never a value.

Between PyMongo and the connection, where `eloquent.foundation.driver` is. PyMongo's own listeners are told of every
command, with objects made for it, whether or not anybody traces it: a tenth of a command's CPU. Here the head of a
message is read, and only below a span that is recorded. What is compressed on the wire has no span.

https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg
"""

from typing import Any, Final

import bson
from pymongo.asynchronous import pool
from pymongo.message import _OpMsg
from pymongo.network_layer import PyMongoProtocol

from eloquent.foundation import driver
from eloquent.foundation.telemetry.spans import Kind, Span, begun_span, current_span

# Where things stand in a message: the operation, then behind flags and one section's kind the command as a document,
# whose first element has the command for its name and the collection, mostly, for its value.
_OPERATION: Final = slice(12, 16)
_OP_MSG: Final = (2013).to_bytes(4, "little")
_TYPE_AT: Final = 25
_NAME_AT: Final = 26
_STRING: Final = 2
_STRING_HEAD: Final = 4
_CURSOR: Final = 8
_COLLECTION: Final = b"\x02collection\x00"
# How a reply begins that is a refusal: {ok: 0.0, …
_REFUSED: Final = b"\x01ok\x00" + bytes(8)
_REFUSED_AT: Final = slice(4, 4 + len(_REFUSED))
# Nobody waits for these.
_NOT_TRACED: Final = frozenset({b"hello", b"isMaster", b"ismaster", b"ping", b"killCursors", b"endSessions"})
_SPAN: Final = "eloquent_span"


def install() -> None:
    """Have every AsyncMongoClient of this process trace its commands. Safe to repeat."""
    driver.install()
    replaced: Any = pool
    replaced.async_sendall = send
    replaced.async_receive_message = receive


async def send(protocol: PyMongoProtocol, message: bytes) -> None:
    """See `driver.send`."""
    above = current_span.get()
    if above is not None and above.sampled and (span := _span_of(message)) is not None:
        # Whoever sent it waits for its reply on this connection, and nobody else meanwhile.
        protocol.__dict__[_SPAN] = span
        try:
            await driver.send(protocol, message)
        except BaseException as error:
            # Nobody receives on this connection any more.
            protocol.__dict__.pop(_SPAN, None)
            span.fail(type(error).__name__)
            span.end()
            raise
    else:
        await driver.send(protocol, message)


async def receive(connection: pool.AsyncConnection, request_id: int | None, max_message_size: int) -> _OpMsg:
    """See `driver.receive`."""
    span: Span | None = connection.conn.get_conn.__dict__.pop(_SPAN, None)
    if span is None:
        return await driver.receive(connection, request_id, max_message_size)
    try:
        reply = await driver.receive(connection, request_id, max_message_size)
        if reply.payload_document[_REFUSED_AT] == _REFUSED:
            span.fail(str(bson.decode(bytes(reply.payload_document)).get("codeName", "refused")))
    except BaseException as error:
        span.fail(type(error).__name__)
        raise
    else:
        return reply
    finally:
        span.end()


def _span_of(message: bytes) -> Span | None:
    if message[_OPERATION] != _OP_MSG:
        return None
    end = message.index(0, _NAME_AT)
    name = message[_NAME_AT:end]
    if name in _NOT_TRACED:
        return None
    command, collection = name.decode(), _collection_of(message, name, end + 1)
    span = begun_span(f"{command} {collection}" if collection else command, Kind.CLIENT)
    if span is not None:
        span.attributes["db.system.name"] = "mongodb"
        span.attributes["db.operation.name"] = command
        if collection:
            span.attributes["db.collection.name"] = collection
    return span


def _collection_of(message: bytes, name: bytes, value_at: int) -> str | None:
    if message[_TYPE_AT] == _STRING:
        begin = value_at + _STRING_HEAD
    elif name == b"getMore" and message.startswith(_COLLECTION, value_at + _CURSOR):
        begin = value_at + _CURSOR + len(_COLLECTION) + _STRING_HEAD
    else:
        return None
    return message[begin : message.index(0, begin)].decode()
