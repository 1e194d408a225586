"""A message from the chunks of its stream, for a run whose worker was lost. Pure.

What a run says is chunks for its readers and parts for its message; the second follows from the first. Only what
`chat.answer` makes is understood here.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from chat.chunks import Chunk
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
    whole = [dict(part) for part in parts]
    texts: dict[int, list[str]] = {}
    open_part = open_part_of(parts)
    ending = None
    for chunk in map(orjson.loads, chunks):
        match chunk["type"]:
            case "text-start" | "reasoning-start" as kind:
                open_part = chunk["id"]
                whole.append({"type": kind.removesuffix("-start"), "text": ""})
            case "text-delta" | "reasoning-delta":
                number = int(chunk["id"].rpartition("-")[2])
                texts.setdefault(number, [whole[number]["text"]]).append(chunk["delta"])
            case "text-end" | "reasoning-end":
                open_part = None
            case "reset-step":
                whole, texts, open_part = [], {}, None
            case "tool-input-available":
                whole.append(
                    {
                        "type": "dynamic-tool",
                        "toolName": chunk["toolName"],
                        "toolCallId": chunk["toolCallId"],
                        "state": "input-available",
                        "input": chunk["input"],
                    }
                )
            case "data-notice" if not chunk.get("transient"):
                whole.append({"type": "data-notice", "data": chunk["data"]})
            case "finish" | "abort" | "error":
                ending = _ending_of(chunk)
    for number, pieces in texts.items():
        whole[number]["text"] = "".join(pieces)
    return Assembled(whole, open_part, ending)


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
