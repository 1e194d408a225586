"""A message from the chunks of its stream, for a run whose worker was lost. Pure.

What a run says is chunks for its readers and parts for its message; the second follows from the first. Only what
`chat.answer` makes is understood here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from chat.chunks import Chunk
from chat.parts import STEP_START, before_last_step, tool_part, with_approval_request, with_output
from chat.types import MessageStatus


class Ending(NamedTuple):
    """How a stream says that its answer ended."""

    status: MessageStatus
    usage: dict[str, Any] | None = None
    sentence: str | None = None


class Assembled(NamedTuple):
    """The message's parts, the id of the text or reasoning part that is still open, and the end if it was said."""

    parts: list[dict[str, Any]]
    open_part: str | None
    ending: Ending | None


def assembled(parts: Sequence[dict[str, Any]], chunks: Sequence[Chunk]) -> Assembled:
    """The parts that were saved, with the chunks behind them."""
    assembly = _Assembly(parts)
    for chunk in chunks:
        assembly.take(orjson.loads(chunk))
    return assembly.done()


class _Assembly:
    def __init__(self, parts: Sequence[dict[str, Any]]) -> None:
        self._parts = [dict(part) for part in parts]
        self._texts: dict[int, list[str]] = {}
        self._open_part = open_part_of(parts)
        self._ending: Ending | None = None
        self._step_is_over = False

    def take(self, chunk: dict[str, Any]) -> None:
        match chunk["type"]:
            case "text-start" | "reasoning-start" | "text-delta" | "reasoning-delta" | "text-end" | "reasoning-end":
                self._take_text(chunk)
            case "start-step" | "reset-step":
                self._take_step(chunk)
            case "tool-input-available":
                self._parts.append(tool_part(chunk["toolCallId"], chunk["toolName"], chunk["input"]))
            case "tool-output-available":
                self._parts = with_output(self._parts, chunk["toolCallId"], output=chunk["output"])
            case "tool-output-error":
                self._parts = with_output(self._parts, chunk["toolCallId"], errorText=chunk["errorText"])
            case "tool-output-denied":
                self._parts = with_output(self._parts, chunk["toolCallId"])
            case "tool-approval-request":
                self._parts = with_approval_request(self._parts, chunk["toolCallId"])
            case "data-notice" if not chunk.get("transient"):
                self._parts.append({"type": "data-notice", "data": chunk["data"]})
            case "finish" | "abort" | "error":
                self._ending = _ending_of(chunk)
        self._step_is_over = chunk["type"] == "finish-step"

    def _take_text(self, chunk: dict[str, Any]) -> None:
        kind, _, what = chunk["type"].partition("-")
        if what == "start":
            self._open_part = chunk["id"]
            self._parts.append({"type": kind, "text": ""})
        elif what == "end":
            self._open_part = None
        else:
            number = int(chunk["id"].rpartition("-")[2])
            self._texts.setdefault(number, [self._parts[number]["text"]]).append(chunk["delta"])

    def _take_step(self, chunk: dict[str, Any]) -> None:
        if chunk["type"] == "reset-step":
            self._settle()
            self._parts, self._open_part = before_last_step(self._parts), None
        elif self._step_is_over:  # the first step of all leaves no part
            self._parts.append(STEP_START)

    def _settle(self) -> None:
        """Write the texts into their parts."""
        for number, pieces in self._texts.items():
            self._parts[number]["text"] = "".join(pieces)
        self._texts.clear()

    def done(self) -> Assembled:
        self._settle()
        return Assembled(self._parts, self._open_part, self._ending)


def _ending_of(chunk: dict[str, Any]) -> Ending:
    match chunk["type"]:
        case "finish":
            return Ending(MessageStatus.COMPLETE, usage=chunk["messageMetadata"]["usage"])
        case "abort":
            return Ending(MessageStatus.STOPPED)
        case _:
            return Ending(MessageStatus.FAILED, sentence=chunk["errorText"])


def open_part_of(parts: Sequence[dict[str, Any]]) -> str | None:
    """The id of the part that an answer in the making is writing, as its chunks call it; None behind a tool call."""
    if not parts or parts[-1]["type"] not in ("text", "reasoning"):
        return None
    return f"{parts[-1]['type']}-{len(parts) - 1}"
