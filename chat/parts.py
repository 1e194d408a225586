"""The parts of a message, in the AI SDK's UIMessage form. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

STEP_START: Final[dict[str, Any]] = {"type": "step-start"}
"""Between two steps: the language model was asked again, with what its tools had said."""
_WRITTEN: Final = ("text", "reasoning", "dynamic-tool")
"""The types of parts that a language model writes."""


def plain_text(parts: Iterable[Mapping[str, Any]]) -> str:
    """What an answer says, without reasoning and tool calls; a blank line parts the texts of two steps."""
    said: list[str] = []
    is_new_step = False
    for part in parts:
        if part["type"] == "step-start":
            is_new_step = bool(said)
        elif part["type"] == "text" and part["text"]:
            said.append(f"\n\n{part['text']}" if is_new_step else part["text"])
            is_new_step = False
    return "".join(said)


def tool_part(call_id: str, tool_name: str, arguments: Any) -> dict[str, Any]:
    """A tool call that has not been answered yet."""
    return {
        "type": "dynamic-tool",
        "toolName": tool_name,
        "toolCallId": call_id,
        "state": "input-available",
        "input": arguments,
    }


def with_output(parts: Sequence[dict[str, Any]], call_id: str, **told: Any) -> list[dict[str, Any]]:
    """The parts with what the tool said to this call.

    `output`; `errorText` when it could not do it; neither when the user denied it.
    """
    state = "output-error" if "errorText" in told else "output-available" if "output" in told else "output-denied"
    return _with_call(parts, call_id, ("input-available", "approval-responded"), {"state": state, **told})


def with_approval_request(parts: Sequence[dict[str, Any]], call_id: str) -> list[dict[str, Any]]:
    """The parts with the question whether this call may be made."""
    asked = {"state": "approval-requested", "approval": {"id": approval_id(call_id)}}
    return _with_call(parts, call_id, ("input-available",), asked)


def with_decision(
    parts: Sequence[dict[str, Any]], call_id: str, *, approved: bool, reason: str
) -> list[dict[str, Any]]:
    """The parts with the user's answer to that question. `reason` may be empty."""
    given = {"id": approval_id(call_id), "approved": approved, **({"reason": reason} if reason else {})}
    return _with_call(parts, call_id, ("approval-requested",), {"state": "approval-responded", "approval": given})


def approval_id(call_id: str) -> str:
    """What the question about this call is called. A call is asked about once, so it needs no name of its own."""
    return f"approval-{call_id}"


def calls_that_wait(parts: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids of the calls that wait for the user's agreement, in order."""
    return [
        part["toolCallId"]
        for part in parts
        if part["type"] == "dynamic-tool" and part.get("state") == "approval-requested"
    ]


def _with_call(
    parts: Sequence[dict[str, Any]], call_id: str, before: tuple[str, ...], changes: dict[str, Any]
) -> list[dict[str, Any]]:
    """The parts with this call changed, if its state is one of those `before`."""
    return [
        {**part, **changes}
        if part["type"] == "dynamic-tool" and part["toolCallId"] == call_id and part["state"] in before
        else part
        for part in parts
    ]


def before_last_step(parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of the steps that are over, and the sign that another has begun."""
    begun = [number for number, part in enumerate(parts) if part["type"] == "step-start"]
    return list(parts[: begun[-1] + 1]) if begun else []


def parts_by_step(parts: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The parts of the steps that are over, and those that the language model has written since."""
    over = before_last_step(parts)
    return over, [part for part in parts[len(over) :] if part["type"] in _WRITTEN]


def words_of(parts: Sequence[dict[str, Any]]) -> list[str]:
    """All that the language model wrote in these parts: text, thoughts, and what it asked of tools."""
    return [
        orjson.dumps([part["toolName"], part["input"]]).decode() if part["type"] == "dynamic-tool" else part["text"]
        for part in parts
        if part["type"] in _WRITTEN
    ]
