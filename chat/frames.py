"""The frames of the AI SDK 7 websocket chat transport, as they come and as they go. Pure.

The protocol: https://ai-sdk.dev/docs/reference/ai-sdk-ui/websocket-chat-transport
"""

from typing import Annotated, Any, Final, TypeAlias

import msgspec
import orjson

from chat.chunks import Chunk
from chat.posting import Extras, MalformedMessage, Trigger, Wish, wish_in

_RequestId: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Id: TypeAlias = Annotated[str, msgspec.Meta(max_length=200)]


class Send(msgspec.Struct, frozen=True, tag_field="type", tag="send", rename="camel"):
    """Start an answer: to a new message, to an edited one (`message_id` of the user's), or another (regenerate)."""

    request_id: _RequestId
    id: _Id
    trigger: Trigger
    headers: dict[str, str]
    body: Extras
    messages: list[msgspec.Raw]
    message_id: _Id | None = None


class Resume(msgspec.Struct, frozen=True, tag_field="type", tag="resume", rename="camel"):
    """Read the running answer of a conversation, from its beginning or behind `last_sequence`."""

    request_id: _RequestId
    id: _Id
    headers: dict[str, str]
    body: dict[str, Any]
    last_sequence: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] | None = None


class Abort(msgspec.Struct, frozen=True, tag_field="type", tag="abort", rename="camel"):
    """Stop the answer that `request_id` reads."""

    request_id: _RequestId


Frame: TypeAlias = Send | Resume | Abort


class MalformedFrame(Exception):
    """Not a frame of this protocol: the socket is closed with 1008, as the protocol says."""


_frames: Final[msgspec.json.Decoder[Frame]] = msgspec.json.Decoder(Frame)


def parse(text: str) -> Frame:
    """The frame in the text.

    Raises:
        MalformedFrame: it is not JSON, or no frame of this protocol.
    """
    try:
        return _frames.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedFrame from error


def wish_of(frame: Send) -> Wish:
    """What the frame asks for.

    Raises:
        InvalidInput: the last message has no text or is too long, or an option is not allowed.
        MalformedFrame: the last message is no UIMessage.
    """
    try:
        return wish_in(frame.trigger, frame.message_id, frame.messages[-1] if frame.messages else None, frame.body)
    except MalformedMessage as error:
        raise MalformedFrame from error


def started(request_id: str) -> str:
    """A running answer was found; its chunks follow."""
    return _frame("start", request_id)


def ended(request_id: str) -> str:
    """The answer's stream is over."""
    return _frame("end", request_id)


def none_active(request_id: str) -> str:
    """No answer is running in this conversation."""
    return _frame("no-active", request_id)


def failed(request_id: str, problem: dict[str, Any]) -> str:
    """The request was refused or its stream broke; `problem` has the fields of problem+json."""
    return orjson.dumps(
        {"type": "error", "requestId": request_id, "errorText": problem["detail"], "problem": problem}
    ).decode()


class ChunkFrames:
    """Makes the chunk frames of one request; what they share is written once."""

    def __init__(self, request_id: str) -> None:
        self._head = b'{"type":"chunk","requestId":%b,"sequence":' % orjson.dumps(request_id)

    def frame(self, sequence: int, chunk: Chunk) -> str:
        """One chunk with its sequence, counted from 0."""
        return (b'%b%d,"chunk":%b}' % (self._head, sequence, chunk)).decode()


def _frame(kind: str, request_id: str) -> str:
    return orjson.dumps({"type": kind, "requestId": request_id}).decode()
