"""The frames of the AI SDK 7 websocket chat transport, as they come and as they go. Pure.

The protocol: https://ai-sdk.dev/docs/reference/ai-sdk-ui/websocket-chat-transport
A client posts its whole list of messages; only the last one is read, because the server is the author of history.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
import orjson

from chat.asking import Ask, OnBusy
from chat.chunks import Chunk
from chat.schemas import LONGEST_TEXT, MOST_PARTS, options_from
from eloquent.foundation.errors import InvalidInput
from eloquent.foundation.ids import parse_id

_RequestId: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Id: TypeAlias = Annotated[str, msgspec.Meta(max_length=200)]


class Send(msgspec.Struct, frozen=True, tag_field="type", tag="send", rename="camel"):
    """Start an answer: to a new message, to an edited one (`message_id` of the user's), or another (regenerate)."""

    request_id: _RequestId
    id: _Id
    trigger: Literal["submit-message", "regenerate-message"]
    headers: dict[str, str]
    body: dict[str, Any]
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


class _UIMessage(msgspec.Struct, frozen=True):
    role: str
    parts: list[dict[str, Any]]
    id: str = ""


_frames: Final[msgspec.json.Decoder[Frame]] = msgspec.json.Decoder(Frame)
_messages: Final = msgspec.json.Decoder(_UIMessage)


def parse(text: str) -> Frame:
    """The frame in the text.

    Raises:
        MalformedFrame: it is not JSON, or no frame of this protocol.
    """
    try:
        return _frames.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedFrame from error


def ask_of(frame: Send) -> Ask:
    """What the frame asks for.

    `body.parentId` names the message to go on from, `body.model` a language model, `body.options` how to generate;
    `body.onBusy` says what to do while an answer is being written there.

    Raises:
        InvalidInput: the last message has no text or is too long, or an id is not one.
        MalformedFrame: the last message is no UIMessage.
    """
    model = frame.body.get("model") or ""
    if not isinstance(model, str):
        raise InvalidInput("body.model is the id of a language model.")
    options = options_from(frame.body.get("options") or {})
    on_busy = on_busy_from(frame.body.get("onBusy"))
    if frame.trigger == "regenerate-message":
        if not frame.message_id:
            raise InvalidInput("messageId names the answer to make anew.")
        return Ask(regenerates=parse_id(frame.message_id), model=model, options=options, on_busy=on_busy)
    parts = _parts_of_last(frame.messages)
    if frame.message_id:
        return Ask(parts=parts, edits=parse_id(frame.message_id), model=model, options=options, on_busy=on_busy)
    parent = frame.body.get("parentId", msgspec.UNSET)
    if isinstance(parent, str):
        parent = parse_id(parent)
    elif parent is not None and parent is not msgspec.UNSET:
        raise InvalidInput("body.parentId is the id of a message, or null for a new beginning.")
    return Ask(parts=parts, parent_id=parent, model=model, options=options, on_busy=on_busy)


def on_busy_from(wish: object) -> OnBusy:
    """The wish of a body's `onBusy`; without one, a conflict.

    Raises:
        InvalidInput: another word.
    """
    if wish is None:
        return OnBusy.CONFLICT
    if wish not in list(OnBusy):
        raise InvalidInput('body.onBusy is "conflict" or "sibling".')
    return OnBusy(str(wish))


def _parts_of_last(messages: list[msgspec.Raw]) -> list[dict[str, Any]]:
    if not messages:
        raise InvalidInput("There is no message to send.")
    try:
        last = _messages.decode(messages[-1])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedFrame from error
    if last.role != "user":
        raise InvalidInput("The last message must be the user's.")
    return text_parts(last.parts)


def text_parts(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts, reduced to what is kept of a text part.

    Raises:
        InvalidInput: a part of another type, no text at all, or too much of it.
    """
    if len(parts) > MOST_PARTS:
        raise InvalidInput(f"A message has at most {MOST_PARTS} parts.")
    texts = []
    for part in parts:
        text = part.get("text")
        if part.get("type") != "text" or not isinstance(text, str):
            raise InvalidInput("Only text can be sent.")
        texts.append(text)
    if not "".join(texts).strip():
        raise InvalidInput("The message is empty.")
    if sum(map(len, texts)) > LONGEST_TEXT:
        raise InvalidInput(f"A message has at most {LONGEST_TEXT} characters.")
    return [{"type": "text", "text": text} for text in texts]


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
