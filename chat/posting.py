"""What an AI SDK client posts when it asks for an answer, over HTTP and over the socket alike. Pure.

The request: https://ai-sdk.dev/docs/ai-sdk-ui/transport
A client posts its whole list of messages; only the last one is read, because the server is the author of history. Of
the rest nothing is believed, and nothing is even parsed. Where the last one is an answer, the user has decided about
calls of tools in it: the decisions are read, and what is to be called is the server's own record.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from chat.asking import OnBusy
from chat.attachments.errors import FileNotOurs
from chat.attachments.links import address_of, attachment_in
from chat.schemas import LONGEST_MODEL_ID, LONGEST_TEXT, LONGEST_TOOL_NAME, MOST_PARTS, MOST_TOOLS, options_from
from eloquent.foundation.errors import InvalidInput
from eloquent.foundation.ids import MessageId, parse_id
from inference.steps import LONGEST_REASON, Decision
from inference.types import GenerationOptions

Trigger: TypeAlias = Literal["submit-message", "regenerate-message"]

# A message that its client calls by a longer name is kept without it.
LONGEST_NAME: Final = 64
MOST_FILES: Final = 8
# Whoever sends megabytes has us pass over them, not make objects of them. A character takes 12 bytes at most.
_LARGEST_MESSAGE_BYTES: Final = 12 * LONGEST_TEXT + 64 * 1024
_LARGEST_OPTIONS_BYTES: Final = 32 * 1024

_NOTHING: Final = msgspec.Raw(b"null")


class Extras(msgspec.Struct, frozen=True, rename="camel"):
    """What a client may add to either: where to go on from, a model and its tools, how to generate, what if busy."""

    parent_id: Any = msgspec.UNSET
    model: Any = None
    options: msgspec.Raw = _NOTHING
    tools: Any = None
    on_busy: Any = None


class Posted(Extras, frozen=True, kw_only=True, rename="camel"):
    """The body of a request over HTTP: the whole list (`messages`), or the last one alone (`message`)."""

    id: str
    trigger: Trigger = "submit-message"
    message_id: str | None = None
    messages: list[msgspec.Raw] = []
    message: msgspec.Raw = _NOTHING

    def last(self) -> msgspec.Raw | None:
        """The last message posted, unread; None when there is none."""
        if self.message != _NOTHING:
            return self.message
        return self.messages[-1] if self.messages else None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for, in its own words: which messages its names mean is not known yet.

    `names` is the message to edit or to answer anew, empty for none. `parts` are the last message's, empty when it was
    not posted; `called` is the client's name for it, empty when it has none that we keep. With `decisions`, by the ids
    of the questions, `names` is the answer that waits for them, and there is nothing else.
    """

    regenerates: bool
    names: str
    parts: list[dict[str, Any]]
    called: str
    parent_id: MessageId | msgspec.UnsetType | None
    model: str
    options: GenerationOptions
    tools: tuple[str, ...] | None
    on_busy: OnBusy
    decisions: Mapping[str, Decision] = {}


class MalformedMessage(InvalidInput):
    """The last message is not a UIMessage."""

    code = "malformed_message"
    sentence = "The last message is not one of the AI SDK's."


class _UIMessage(msgspec.Struct, frozen=True):
    role: str
    parts: list[dict[str, Any]]
    id: str = ""


class _Approval(msgspec.Struct, frozen=True):
    id: str
    approved: bool | None = None
    reason: str | None = None


class _AnswerPart(msgspec.Struct, frozen=True):
    """Of a part of an answer, what is read of it: everything else is passed over as it comes."""

    state: str | None = None
    approval: _Approval | None = None


class _Answer(msgspec.Struct, frozen=True):
    role: str
    parts: list[_AnswerPart]
    id: str = ""


class _Role(msgspec.Struct, frozen=True):
    role: str


_posted: Final = msgspec.json.Decoder(Posted)
_messages: Final = msgspec.json.Decoder(_UIMessage)
_answers: Final = msgspec.json.Decoder(_Answer)
_roles: Final = msgspec.json.Decoder(_Role)


def wish_in_body(body: bytes) -> tuple[str, Wish]:
    """The chat's id or name, and what is asked for. Nothing else of the body is kept.

    Raises:
        InvalidInput: it is not JSON, or not what an AI SDK client posts.
        what `wish_in` raises.
    """
    try:
        posted = _posted.decode(body)
    except msgspec.ValidationError as error:
        # Its place alone: the words before it may repeat what was sent.
        place = str(error).rpartition(" - at ")[2].strip("`").split(".")[1:]
        raise InvalidInput(errors=[{"loc": ["body", *place], "msg": "This is of the wrong kind."}]) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidInput("The request's body cannot be read as JSON.") from None
    return posted.id, wish_in(posted.trigger, posted.message_id, posted.last(), posted)


def wish_in(trigger: Trigger, names: str | None, last: msgspec.Raw | None, extras: Extras) -> Wish:
    """What is asked for: `names` is the message named, `last` the last message posted.

    Raises:
        InvalidInput: nothing to send, too much of it, or something that cannot be sent; an option that is not allowed.
        MalformedMessage: the last message is no UIMessage.
    """
    model = extras.model or ""
    if not isinstance(model, str) or len(model) > LONGEST_MODEL_ID:
        raise InvalidInput("model is the id of a language model.")
    if names and len(names) > LONGEST_NAME:
        raise InvalidInput(f"messageId has at most {LONGEST_NAME} characters.")
    regenerates = trigger == "regenerate-message"
    decisions: Mapping[str, Decision] = {}
    parts: list[dict[str, Any]] = []
    called = ""
    if regenerates:
        parts, called = _question_in(last)
    elif last is not None and _is_answer(last):
        names, decisions = _decided_in(last)
    else:
        parts, called = _message_in(last)
    return Wish(
        regenerates=regenerates,
        names=names or "",
        parts=parts,
        decisions=decisions,
        called=called if len(called) <= LONGEST_NAME else "",
        parent_id=_parent(extras.parent_id),
        model=model,
        options=_options(extras.options),
        tools=_tools(extras.tools),
        on_busy=_on_busy(extras.on_busy),
    )


def _message_in(last: msgspec.Raw | None) -> tuple[list[dict[str, Any]], str]:
    """The message to send: its parts, and what the client calls it."""
    if last is None:
        raise InvalidInput("There is no message to send.")
    if len(last) > _LARGEST_MESSAGE_BYTES:
        if b'"data:' in bytes(last):
            raise FileNotOurs
        raise InvalidInput(f"A message has at most {LONGEST_TEXT} characters.")
    try:
        message = _messages.decode(last)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise MalformedMessage from None
    if message.role != "user":
        raise InvalidInput("The last message must be the user's.")
    return message_parts(message.parts), message.id


def _is_answer(last: msgspec.Raw) -> bool:
    try:
        return _roles.decode(last).role == "assistant"
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False  # whoever reads it as a question says what is wrong


def _decided_in(last: msgspec.Raw) -> tuple[str, dict[str, Decision]]:
    """The answer's id, and what the user decided about calls in it, by the ids of the questions."""
    try:
        answer = _answers.decode(last)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise MalformedMessage from None
    given = [part.approval for part in answer.parts if part.state == "approval-responded" and part.approval]
    decisions = {
        approval.id: Decision(approval.approved, (approval.reason or "")[:LONGEST_REASON])
        for approval in given
        if approval.approved is not None
    }
    if not decisions:
        raise InvalidInput("The last message must be the user's, or an answer with decisions about its calls of tools.")
    return answer.id, decisions


def _question_in(last: msgspec.Raw | None) -> tuple[list[dict[str, Any]], str]:
    """The question to answer anew, as far as there is one to be read: it may be known by its name alone."""
    try:
        return _message_in(last)
    except InvalidInput:
        return [], ""


def _options(given: msgspec.Raw) -> GenerationOptions:
    if len(given) > _LARGEST_OPTIONS_BYTES:
        raise InvalidInput("There are too many options.")
    try:
        options = msgspec.json.decode(given)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidInput("The options cannot be read.") from None
    return options_from(options or {})


def _tools(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    is_list = isinstance(given, list) and len(given) <= MOST_TOOLS
    if not is_list or not all(isinstance(name, str) and 0 < len(name) <= LONGEST_TOOL_NAME for name in given):
        raise InvalidInput("tools is a list of names of tools.")
    return tuple(given)


def _on_busy(given: Any) -> OnBusy:
    if given is None:
        return OnBusy.CONFLICT
    if given not in list(OnBusy):
        raise InvalidInput('onBusy is "conflict" or "sibling".')
    return OnBusy(str(given))


def _parent(given: Any) -> MessageId | msgspec.UnsetType | None:
    if given is None or given is msgspec.UNSET:
        return given
    if not isinstance(given, str):
        raise InvalidInput("parentId is the id of a message, or null for a new beginning.")
    return parse_id(given)


def message_parts(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts, reduced to what is kept of a text part, and of a file part which attachment it is.

    A file is named by its `id`, or by an address of ours as `url`, which is what AI SDK clients have.

    Raises:
        InvalidInput: a part of another type, neither text nor files, or too much of either.
        FileNotOurs: a file that is not one of our attachments.
    """
    if len(parts) > MOST_PARTS:
        raise InvalidInput(f"A message has at most {MOST_PARTS} parts.")
    kept = [_part(part) for part in parts]
    texts = [part["text"] for part in kept if part["type"] == "text"]
    files = len(kept) - len(texts)
    if not files and not "".join(texts).strip():
        raise InvalidInput("The message is empty.")
    if sum(map(len, texts)) > LONGEST_TEXT:
        raise InvalidInput(f"A message has at most {LONGEST_TEXT} characters.")
    if files > MOST_FILES:
        raise InvalidInput(f"A message has at most {MOST_FILES} files.")
    return kept


def _part(part: dict[str, Any]) -> dict[str, Any]:
    kind, text = part.get("type"), part.get("text")
    if kind == "text" and isinstance(text, str):
        return {"type": "text", "text": text}
    if kind != "file":
        raise InvalidInput("Text and files can be sent.")
    named = parse_id(str(part["id"])) if "id" in part else attachment_in(part.get("url"))
    return {"type": "file", "url": address_of(named)}
