"""One answer as it grows: a language model's events in, chunks for readers and parts for the message out. Pure."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from chat import chunks
from chat.chunks import Chunk
from chat.parts import (
    STEP_START,
    approval_id,
    before_last_step,
    calls_that_wait,
    plain_text,
    tool_part,
    with_approval_request,
    with_output,
    words_of,
)
from eloquent.foundation.json_values import is_storable
from inference.types import (
    ApprovalRequest,
    Event,
    ModelChanged,
    NextStep,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolCall,
    ToolOutput,
)

# MongoDB takes 100 levels, and the parts of a message are some of them.
_DEEPEST_ARGUMENTS: Final = 64


class Answer:
    """Collects an answer.

    Text that arrives between two `take`s becomes one chunk, however many pieces it came in: what is ready together
    travels together. Call `feed` for each event, `take` when the chunks are wanted, `close` once at the end.

    Args:
        parts: what was written before, of an answer that goes on.
    """

    def __init__(self, parts: Sequence[dict[str, Any]] = ()) -> None:
        self._ready: list[Chunk] = []
        self._kind: str | None = None  # of the open part: text, reasoning or none
        self._part_id = ""
        self._unsent: list[str] = []
        self._whole: list[str] = []
        self._closed_parts = list(parts)
        self.held_chars = 0
        self.chars = sum(map(len, words_of(parts)))
        """All that was fed, tools' words too."""

    def feed(self, event: Event) -> None:
        """Take in one event of the language model. `Finished` adds nothing here."""
        if isinstance(event, TextDelta):
            self._grow("text", event.text)
        elif isinstance(event, ReasoningDelta):
            self._grow("reasoning", event.text)
        elif isinstance(event, ToolCall):
            self._close_part()
            arguments = _parsed(event.arguments)
            self._closed_parts.append(tool_part(event.id, event.name, arguments))
            self.add(chunks.tool_input(event.id, event.name, arguments))
            self._count(event.arguments)
        elif isinstance(event, ToolOutput):
            self._tell_output(event)
        elif isinstance(event, ApprovalRequest):
            self._closed_parts = with_approval_request(self._closed_parts, event.call_id)
            self.add(chunks.tool_approval(approval_id(event.call_id), event.call_id))
        elif isinstance(event, NextStep):
            self._close_part()
            self._closed_parts.append(STEP_START)
            self.add(chunks.FINISH_STEP)
            self.add(chunks.START_STEP)
        elif isinstance(event, ModelChanged):
            self._change_model(event)
        elif isinstance(event, Status):
            self.add(chunks.data("status", _told_status(event), transient=True))

    def _tell_output(self, event: ToolOutput) -> None:
        self._count(event.text)
        if event.is_denied:
            self._closed_parts = with_output(self._closed_parts, event.call_id)
            self.add(chunks.tool_denied(event.call_id))
            return
        if event.is_error:
            self._closed_parts = with_output(self._closed_parts, event.call_id, errorText=event.text)
            self.add(chunks.tool_error(event.call_id, event.text))
            return
        output = _parsed(event.text)
        self._closed_parts = with_output(self._closed_parts, event.call_id, output=output)
        self.add(chunks.tool_output(event.call_id, output))

    def _change_model(self, event: ModelChanged) -> None:
        begins = "begins anew" if event.restarted else "answers in its place"
        failed = "stopped in the middle" if event.restarted else "did not answer"
        sentence = f"“{event.instead_of}” {failed}; “{event.model_name}” {begins}."
        self._close_part()
        if event.restarted:
            self._closed_parts = before_last_step(self._closed_parts)
            self.add(chunks.RESET_STEP)
        told = {"code": "model_changed", "detail": sentence}
        self._closed_parts.append({"type": "data-notice", "data": told})
        self.add(chunks.data("notice", told, transient=False))

    def add(self, chunk: Chunk) -> None:
        """Put a chunk of another kind behind what was fed so far."""
        self._send_text()
        self._ready.append(chunk)

    def take(self) -> list[Chunk]:
        """The chunks made since the last call, in order."""
        self._send_text()
        ready, self._ready = self._ready, []
        return ready

    def close(self) -> None:
        """Close the part that is open, if one is."""
        self._close_part()

    def parts(self) -> list[dict[str, Any]]:
        """The message's parts so far, in the AI SDK's UIMessage form."""
        parts = list(self._closed_parts)
        if self._kind is not None:
            parts.append({"type": self._kind, "text": "".join(self._whole)})
        return parts

    @property
    def waits(self) -> bool:
        """Whether a call waits for the user's agreement."""
        return bool(calls_that_wait(self._closed_parts))

    def text(self) -> str:
        """The plain text so far, without reasoning."""
        return plain_text(self.parts())

    def _grow(self, kind: str, text: str) -> None:
        if self._kind != kind:
            self._close_part()
            self._kind = kind
            self._part_id = f"{kind}-{len(self._closed_parts)}"
            self._ready.append(chunks.part_start(kind, self._part_id))
        self._unsent.append(text)
        self._whole.append(text)
        self._count(text)

    def _count(self, text: str) -> None:
        self.held_chars += len(text)
        self.chars += len(text)

    def _send_text(self) -> None:
        if self._unsent and self._kind is not None:
            self._ready.append(chunks.part_delta(self._kind, self._part_id, "".join(self._unsent)))
            self._unsent.clear()
        self.held_chars = 0

    def _close_part(self) -> None:
        if self._kind is None:
            return
        self._send_text()
        self._ready.append(chunks.part_end(self._kind, self._part_id))
        self._closed_parts.append({"type": self._kind, "text": "".join(self._whole)})
        self._whole.clear()
        self._kind = None


def _told_status(status: Status) -> dict[str, Any]:
    queued = {"position": status.position, "eta_s": status.eta_s}
    known = {name: value for name, value in queued.items() if value is not None}
    return {"state": status.state, "elapsed_s": status.elapsed_s, **known}


def _parsed(arguments: str) -> Any:
    """The arguments as JSON; as the text that they are when they are broken (cut short) or cannot be stored."""
    try:
        value = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    return value if is_storable(value, levels=_DEEPEST_ARGUMENTS) else arguments
