"""Tools in OpenAI's chat completions: those that a request offers, calls of them and their results. Pure.

The caller runs them; here they are only handed on. The format: https://platform.openai.com/docs/guides/function-calling
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from chat.errors import BadCompletionRequest
from eloquent.foundation.json_values import is_storable
from inference.types import PromptMessage, Tool, ToolCall

MOST_TOOLS: Final = 128
MOST_CALLS: Final = 128
LARGEST_TOOLS_BYTES: Final = 256 * 1024
"""Of all descriptions and schemas together."""
LARGEST_SCHEMA_BYTES: Final = 64 * 1024
DEEPEST_SCHEMA: Final = 32
_LONGEST_ID: Final = 256
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NO_ARGUMENTS: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_NULL: Final = msgspec.Raw(b"null")
_OBJECTS: Final = msgspec.json.Decoder(dict[str, Any])


class OfferedFunction(msgspec.Struct):
    """What a tool is; without `parameters` it takes none."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = _NO_ARGUMENTS


class OfferedTool(msgspec.Struct):
    """One of a request's `tools`."""

    type: str
    function: OfferedFunction | None = None


class CalledFunction(msgspec.Struct):
    """Which function was called, and its arguments as the model wrote them."""

    name: str
    arguments: str


class Called(msgspec.Struct):
    """One of an assistant's `tool_calls`."""

    id: str
    function: CalledFunction | None = None
    type: str = "function"


def tools_in(offered: Sequence[OfferedTool] | None, choice: Any) -> tuple[Tool, ...]:
    """The tools that the model may ask for: none of those offered when the choice is "none".

    Raises:
        BadCompletionRequest: a tool that is no function, too many of them or too large; a choice that forces a call.
    """
    if choice not in (None, "auto", "none"):
        raise BadCompletionRequest(
            "tool_choice is “auto” or “none” here: not every language model can be made to call a tool.",
            param="tool_choice",
            reason="unsupported_parameter",
        )
    offered = offered or ()
    if len(offered) > MOST_TOOLS:
        raise _wrong("tools", f"at most {MOST_TOOLS} can be offered", reason="array_above_max_length")
    size = 0
    tools: dict[str, Tool] = {}
    for number, each in enumerate(offered):
        where = f"tools[{number}]"
        function = each.function
        if each.type != "function" or function is None:
            raise _wrong(f"{where}.type", "only functions can be offered here", reason="unsupported_value")
        name = _name(function.name, f"{where}.function.name")
        if name in tools:
            raise _wrong(f"{where}.function.name", "each name can be used once")
        description = function.description or ""
        size += len(description) + len(function.parameters)
        if size > LARGEST_TOOLS_BYTES:
            raise _wrong("tools", f"together they have at most {LARGEST_TOOLS_BYTES:,} bytes")
        parameters = function.parameters if function.parameters != _NULL else _NO_ARGUMENTS
        tools[name] = Tool(name, description, schema_in(parameters, f"{where}.function.parameters"))
    return () if choice == "none" else tuple(tools.values())


def schema_in(given: msgspec.Raw, where: str) -> dict[str, Any]:
    """The JSON schema that stands there, an object.

    Raises:
        BadCompletionRequest: it is none, too large, or nested too deeply.
    """
    if len(given) > LARGEST_SCHEMA_BYTES:
        raise _wrong(where, f"a schema has at most {LARGEST_SCHEMA_BYTES:,} bytes")
    try:
        schema = _OBJECTS.decode(given)
    except (msgspec.DecodeError, RecursionError):
        raise _wrong(where, "a JSON schema is expected, an object") from None
    if not is_storable(schema, levels=DEEPEST_SCHEMA):
        raise _wrong(where, f"a schema is nested at most {DEEPEST_SCHEMA} levels deep, with integers of 64 bits")
    return schema


def calls_in(called: Sequence[Called] | None, where: str) -> tuple[ToolCall, ...]:
    """The calls of an assistant's message.

    Raises:
        BadCompletionRequest: too many of them, one of no function, or without a usable name or id.
    """
    called = called or ()
    if len(called) > MOST_CALLS:
        raise _wrong(f"{where}.tool_calls", f"at most {MOST_CALLS} in a message", reason="array_above_max_length")
    calls: list[ToolCall] = []
    for number, each in enumerate(called):
        at = f"{where}.tool_calls[{number}]"
        if each.type != "function" or each.function is None:
            raise _wrong(f"{at}.type", "only functions can be called here", reason="unsupported_value")
        if not 0 < len(each.id) <= _LONGEST_ID or any(each.id == call.id for call in calls):
            raise _wrong(f"{at}.id", f"an id of its own is needed, of at most {_LONGEST_ID} characters")
        name = _name(each.function.name, f"{at}.function.name")
        calls.append(ToolCall(each.id, name, each.function.arguments))
    return tuple(calls)


def result_in(content: str, call_id: str | None, before: Sequence[PromptMessage], where: str) -> PromptMessage:
    """A `tool` message: the result of one of the calls of the assistant's message before it.

    Raises:
        BadCompletionRequest: there is no such call.
    """
    asking = next((message for message in reversed(before) if message.role != "tool"), None)
    for call in asking.tool_calls if asking is not None else ():
        if call.id == call_id:
            return PromptMessage("tool", content, tool_call_id=call.id, tool_name=call.name)
    raise _wrong(f"{where}.tool_call_id", "the message before has to be an assistant's that made this call")


def _name(name: str, where: str) -> str:
    if not _NAME.fullmatch(name):
        raise _wrong(where, "a name has 1 to 64 characters of a-z, A-Z, 0-9, _ and -")
    return name


def _wrong(param: str, sentence: str, *, reason: str = "invalid_value") -> BadCompletionRequest:
    return BadCompletionRequest(f"{param}: {sentence}.", param=param, reason=reason)
