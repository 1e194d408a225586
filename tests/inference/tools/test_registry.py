"""Tools as functions: their schemas, who may use them, and every way in which a call goes wrong."""

import asyncio
import contextvars
import json
import logging
import threading
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from inference.tools import registry as registry_module
from inference.tools.base import LONGEST_RESULT, Caller, ToolFailed
from inference.tools.registry import Registry

ANN = Caller("ann", frozenset({"tools.weather"}))
BOB = Caller("bob")


@pytest.fixture
def registry() -> Registry:
    return Registry()


def weather(city: str, days: Annotated[int, Field(ge=1, le=7)] = 1, unit: Literal["C", "F"] = "C") -> str:
    """The weather in a city,
    in words.

    More about it.

    Args:
        city: the city's name,
            in any language
        days: how many days

    Returns:
        what nobody tells the language model
    """
    return f"{city}, {days} days, {unit}: rain"


def test_a_function_is_a_tool_with_a_schema(registry: Registry) -> None:
    registry.tool(timeout_s=1)(weather)
    (tool,) = registry.tools_for(())
    assert (tool.name, tool.description) == ("weather", "The weather in a city, in words. More about it.")
    assert tool.parameters == {
        "type": "object",
        "additionalProperties": False,
        "required": ["city"],
        "properties": {
            "city": {"type": "string", "description": "the city's name, in any language"},
            "days": {"type": "integer", "minimum": 1, "maximum": 7, "default": 1, "description": "how many days"},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
        },
    }


def test_odd_names_of_arguments_are_kept(registry: Registry) -> None:
    @registry.tool(timeout_s=1)
    def odd(model_config: str, _hidden: int = 1, title: str = "", schema: str = "", json: str = "") -> str:
        """Odd."""
        return f"{model_config}{_hidden}{title}{schema}{json}"

    (tool,) = registry.tools_for(())
    assert set(tool.parameters["properties"]) == {"model_config", "_hidden", "title", "schema", "json"}
    arguments = {"model_config": "a", "_hidden": 2, "title": "b", "schema": "c", "json": "d"}
    assert asyncio.run(registry.call("odd", json.dumps(arguments), user=BOB)).output_text == "a2bcd"


def no_docstring(city: str) -> str:
    return city


def no_type(city) -> str:  # type: ignore[no-untyped-def]
    """Anything."""
    return str(city)


def any_number(*cities: str) -> str:
    """Anything."""
    return str(cities)


def two__parts() -> str:
    """Anything."""
    return ""


def Upper() -> str:  # noqa: N802
    """Anything."""
    return ""


@pytest.mark.parametrize("function", [no_docstring, no_type, any_number, two__parts, Upper])
def test_a_function_that_cannot_be_a_tool_is_refused_where_it_is_written(
    registry: Registry, function: Callable[..., Any]
) -> None:
    with pytest.raises(TypeError):
        registry.tool(timeout_s=1)(function)


def test_a_name_is_taken_once(registry: Registry) -> None:
    registry.tool(timeout_s=1)(weather)
    with pytest.raises(TypeError, match="weather"):
        registry.tool(timeout_s=1)(weather)


async def test_arguments_become_what_the_hints_say(registry: Registry) -> None:
    registry.tool(timeout_s=1)(weather)
    result = await registry.call("weather", '{"city": "Köln", "days": 3}', user=BOB)
    assert (result.output_text, result.is_error) == ("Köln, 3 days, C: rain", False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("{", "not valid JSON"),
        ("not json", "not valid JSON"),
        ('{"city": "Bonn"', "not valid JSON"),
        ("[" * 100_000, "too long"),
        ("[" * 10_000, "not valid JSON"),
        ("[]", "do not fit"),
        ("null", "do not fit"),
        ("{}", "city: Field required"),
        ("", "city: Field required"),
        ('{"city": 5}', "city: Input should be a valid string"),
        ('{"city": "Bonn", "days": 8}', "days: Input should be less than or equal to 7"),
        ('{"city": "Bonn", "unit": "K"}', "unit: Input should be 'C' or 'F'"),
        ('{"city": "Bonn", "argument_city": "Ulm"}', "argument_city: Extra inputs are not permitted"),
        ('{"city": "Bonn", "self": 1}', "self: Extra inputs are not permitted"),
    ],
)
async def test_wrong_arguments_are_a_sentence_and_the_tool_is_not_called(
    registry: Registry, arguments: str, sentence: str
) -> None:
    registry.tool(timeout_s=1)(weather)
    result = await registry.call("weather", arguments, user=BOB)
    assert result.is_error
    assert sentence in result.output_text
    assert len(result.output_text) < 2000


@given(st.text() | st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(json.dumps))
def test_any_text_for_arguments_is_answered(arguments: str) -> None:
    registry = Registry()
    registry.tool(timeout_s=1)(weather)
    result = asyncio.run(registry.call("weather", arguments, user=BOB))
    result.output_text.encode()


async def test_a_tool_with_a_permission_is_for_those_who_have_it(registry: Registry) -> None:
    registry.tool(timeout_s=1, permission="tools.weather")(weather)
    assert [tool.name for tool in registry.tools_for(ANN.permissions)] == ["weather"]
    assert registry.tools_for(BOB.permissions) == ()
    assert not (await registry.call("weather", '{"city": "Bonn"}', user=ANN)).is_error
    refused = await registry.call("weather", '{"city": "Bonn"}', user=BOB)
    unknown = await registry.call("whether", '{"city": "Bonn"}', user=ANN)
    assert refused.is_error
    assert refused.output_text.replace("weather", "whether") == unknown.output_text


async def test_a_tool_may_ask_for_whom_it_is_called(registry: Registry) -> None:
    @registry.tool(timeout_s=1)
    async def whoami(caller: Caller, *, loud: bool = False) -> str:
        """Who asks."""
        return caller.user_id.upper() if loud else caller.user_id

    (tool,) = registry.tools_for(())
    assert set(tool.parameters["properties"]) == {"loud"}
    assert (await registry.call("whoami", '{"loud": true}', user=ANN)).output_text == "ANN"
    assert (await registry.call("whoami", '{"caller": {"user_id": "bob"}}', user=ANN)).is_error


def test_whether_the_user_is_to_be_asked_first_is_known(registry: Registry) -> None:
    registry.tool(timeout_s=1, needs_approval=True)(weather)
    assert registry.needs_approval("weather")
    assert not registry.needs_approval("whether")


def test_tools_come_in_the_same_order_whoever_was_first(registry: Registry) -> None:
    for name in ("b", "a", "c"):
        function = weather.__class__(weather.__code__, {}, name)
        function.__doc__, function.__annotations__ = "Doc.", {"city": str, "days": int, "unit": str}
        registry.tool(timeout_s=1)(function)
    assert [tool.name for tool in registry.tools_for(())] == ["a", "b", "c"]


class _Odd:
    def __repr__(self) -> str:
        return "what nobody may see"


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (RuntimeError("what nobody may see"), "failed. Do without it"),
        (TimeoutError("what nobody may see"), "failed. Do without it"),
        (StopIteration("what nobody may see"), "failed. Do without it"),
        (ToolFailed("There is no such city."), "There is no such city."),
        ("x" * (LONGEST_RESULT + 1), "too long: 32,001 characters"),
        ({"text": "x" * LONGEST_RESULT}, "too long"),
        (_Odd(), "failed. Do without it"),
    ],
    ids=repr,
)
async def test_a_tool_that_fails_says_so_and_nothing_of_its_inside(
    registry: Registry, caplog: pytest.LogCaptureFixture, kind: str, outcome: Any, sentence: str
) -> None:
    def odd() -> Any:
        """Anything."""
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def odd_async() -> Any:
        """Anything."""
        return odd()

    registry.tool(timeout_s=1)(odd)
    registry.tool(timeout_s=1)(odd_async)
    with caplog.at_level(logging.ERROR):
        result = await registry.call("odd" if kind == "plain" else "odd_async", "{}", user=BOB)
    assert result.is_error
    assert sentence in result.output_text
    assert "nobody may see" not in result.output_text
    if isinstance(outcome, Exception) and not isinstance(outcome, ToolFailed):
        assert "nobody may see" in caplog.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        ({"a": [1, None, "ö"]}, '{"a":[1,null,"ö"]}'),
        (3.5, "3.5"),
        (None, "null"),
        ("lone \udcff surrogate", "lone ? surrogate"),
        ("x" * LONGEST_RESULT, "x" * LONGEST_RESULT),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_result_is_text(registry: Registry, value: Any, text: str) -> None:
    @registry.tool(timeout_s=1)
    async def told() -> Any:
        """Anything."""
        return value

    result = await registry.call("told", "{}", user=BOB)
    assert (result.output_text, result.is_error) == (text, False)


async def test_a_plain_function_does_not_hold_up_the_loop_and_is_given_up(registry: Registry) -> None:
    goes_on, ended = threading.Event(), threading.Event()

    @registry.tool(timeout_s=0.05)
    def hangs() -> str:
        """Hangs."""
        goes_on.wait(30)
        ended.set()
        return "late"

    result = await registry.call("hangs", "{}", user=BOB)
    assert result.is_error
    assert "took longer than 0.05 s" in result.output_text
    goes_on.set()
    assert await asyncio.to_thread(ended.wait, 10)


async def test_an_async_function_is_given_up_and_ended(registry: Registry) -> None:
    ended = asyncio.Event()

    @registry.tool(timeout_s=0.05)
    async def hangs() -> str:
        """Hangs."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    result = await registry.call("hangs", "{}", user=BOB)
    assert "took longer than 0.05 s" in result.output_text
    assert ended.is_set()


async def test_functions_that_hang_are_not_piled_up_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry_module, "MOST_THREADS", 2)
    registry = Registry()
    goes_on = threading.Event()

    @registry.tool(timeout_s=0.05)
    def hangs() -> str:
        """Hangs."""
        goes_on.wait(30)
        return "free"

    for _ in range(2):
        assert "took longer" in (await registry.call("hangs", "{}", user=BOB)).output_text
    assert "Too many tools are at work" in (await registry.call("hangs", "{}", user=BOB)).output_text
    goes_on.set()
    for thread in threading.enumerate():
        if thread.name == "tool hangs":
            await asyncio.to_thread(thread.join, 10)
    assert (await registry.call("hangs", "{}", user=BOB)).output_text == "free"


async def test_whoever_cancels_a_call_is_heard(registry: Registry) -> None:
    begun = asyncio.Event()

    @registry.tool(timeout_s=30)
    async def hangs() -> str:
        """Hangs."""
        begun.set()
        await asyncio.Event().wait()
        return ""

    calling = asyncio.ensure_future(registry.call("hangs", "{}", user=BOB))
    await begun.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_a_plain_function_sees_the_context_of_its_call(registry: Registry) -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")

    @registry.tool(timeout_s=1)
    def reads() -> str:
        """Reads."""
        return request.get()

    request.set("abc")
    assert (await registry.call("reads", "{}", user=BOB)).output_text == "abc"


def test_our_own_tools_say_what_they_are_for() -> None:
    from inference.tools import calculator, clock, registry

    assert calculator
    assert clock
    assert [tool.name for tool in registry.tools_for(())] == ["calculate", "current_time"]
    for tool in registry.tools_for(()):
        assert tool.description.endswith(".")
        for argument in tool.parameters["properties"].values():
            assert argument["description"]
