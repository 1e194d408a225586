"""The clocks and promises that the router keeps for all providers."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from inference import catalog
from inference.errors import AnswerCutOff, InferenceError, ModelFailed, ModelNotOffered, ModelTimeout, VendorError
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted, Step, saying
from inference.router import answer
from inference.timeouts import Timeouts
from inference.types import Event, Finished, FinishReason, PromptMessage, PromptRequest, Status, TextDelta, Usage
from tests.inference.rigs import collected, text_of

REQUEST = PromptRequest("ignored", (PromptMessage("user", "Hi"),))
NEVER = Timeouts(first_token_s=60, idle_s=60, total_s=60)


class Offered:
    """One scripted model in the catalog."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, *script: Step, timeouts: Timeouts = NEVER) -> tuple[OfferedModel, Scripted]:
        provider = Scripted(script)
        model = OfferedModel("scripted/it", "it", "scripted", default=True, context_window=77, timeouts=timeouts)
        self._stack.enter_context(catalog.offering(model, provider))
        return model, provider


@pytest.fixture
def offered() -> Iterator[Offered]:
    with ExitStack() as stack:
        yield Offered(stack)


async def test_an_answer_goes_to_the_models_own_provider_with_its_own_name_and_window(offered: Offered) -> None:
    model, provider = offered(*saying("Hel", "lo"))
    events, error = await collected(answer(model, REQUEST))
    assert (text_of(events), error) == ("Hello", None)
    assert (provider.requests[0].model, provider.requests[0].context_window) == ("it", 77)


async def test_a_model_that_does_not_begin_is_timed_out_and_let_go(offered: Offered) -> None:
    model, provider = offered(asyncio.Event(), timeouts=Timeouts(first_token_s=0.05, idle_s=60, total_s=60))
    events, error = await collected(answer(model, REQUEST))
    assert (events, type(error)) == ([], ModelTimeout)
    assert isinstance(error, ModelTimeout)
    assert "did not begin" in error.detail
    assert provider.answering == 0


async def test_a_status_is_no_token(offered: Offered) -> None:
    limits = Timeouts(first_token_s=0.05, idle_s=0.02, total_s=60)
    model, _ = offered(Status("loading", 0.0), asyncio.Event(), timeouts=limits)
    _, error = await collected(answer(model, REQUEST))
    assert isinstance(error, ModelTimeout)
    assert error.extra["waited_s"] == 0.05


async def test_a_model_that_falls_silent_is_timed_out_and_its_text_is_kept(offered: Offered) -> None:
    limits = Timeouts(first_token_s=60, idle_s=0.05, total_s=60)
    model, provider = offered("So far", asyncio.Event(), timeouts=limits)
    events, error = await collected(answer(model, REQUEST))
    assert text_of(events) == "So far"
    assert isinstance(error, ModelTimeout)
    assert "went silent" in error.detail
    assert provider.answering == 0


async def test_an_answer_that_never_ends_is_timed_out_though_it_goes_on(offered: Offered) -> None:
    limits = Timeouts(first_token_s=60, idle_s=60, total_s=0.05)
    turns: list[Step] = [step for _ in range(100_000) for step in ("x", lambda: asyncio.sleep(0))]
    model, _ = offered(*turns, timeouts=limits)
    events, error = await collected(answer(model, REQUEST))
    assert isinstance(error, ModelTimeout)
    assert "did not complete" in error.detail
    assert text_of(events).startswith("xx")


async def test_a_slow_reader_is_not_the_models_fault(offered: Offered) -> None:
    limits = Timeouts(first_token_s=0.03, idle_s=0.03, total_s=60)
    model, _ = offered(*saying("Hel", "lo"), timeouts=limits)
    events: list[Event] = []
    async for event in answer(model, REQUEST):
        events.append(event)
        await asyncio.sleep(0.1)  # the reader's slowness is what is tested
    assert text_of(events) == "Hello"


async def test_whoever_cancels_an_answer_gets_a_cancellation_and_no_error(offered: Offered) -> None:
    model, provider = offered("So far", asyncio.Event())
    reading = asyncio.ensure_future(collected(answer(model, REQUEST)))
    await provider.until(begun=1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await provider.until_idle()


async def test_closing_an_answer_closes_the_providers(offered: Offered) -> None:
    model, provider = offered("So far", asyncio.Event())
    events = answer(model, REQUEST)
    await anext(events)
    assert provider.answering == 1
    await events.aclose()
    assert provider.answering == 0


async def test_the_servers_words_are_logged_and_not_told(offered: Offered, caplog: pytest.LogCaptureFixture) -> None:
    failed = ModelFailed("it")
    failed.__cause__ = VendorError("CUDA error on gpu-7")
    model, _ = offered("So far", failed)
    with caplog.at_level(logging.WARNING):
        events, error = await collected(answer(model, REQUEST))
    assert (text_of(events), error) == ("So far", failed)
    assert "gpu-7" in caplog.text
    assert "gpu-7" not in failed.detail


async def test_a_bug_of_a_provider_is_a_failed_model_and_is_logged(
    offered: Offered, caplog: pytest.LogCaptureFixture
) -> None:
    model, _ = offered("So far", KeyError("oops"))
    events, error = await collected(answer(model, REQUEST))
    assert (text_of(events), type(error)) == ("So far", ModelFailed)
    assert "oops" in caplog.text


async def test_an_answer_without_its_end_is_cut_off(offered: Offered) -> None:
    model, _ = offered("So far")
    _, error = await collected(answer(model, REQUEST))
    assert type(error) is AnswerCutOff


async def test_a_model_of_a_provider_that_is_gone_is_not_offered() -> None:
    model = OfferedModel("gone/it", "it", "gone", default=False, context_window=77)
    _, error = await collected(answer(model, REQUEST))
    assert type(error) is ModelNotOffered


def test_every_error_has_a_code_of_its_own_and_a_server_or_request_status() -> None:
    def tree(kind: type[InferenceError]) -> list[type[InferenceError]]:
        return [kind, *(leaf for child in kind.__subclasses__() for leaf in tree(child))]

    kinds = tree(InferenceError)
    assert len({kind.code for kind in kinds}) == len(kinds) == 14
    assert {kind.status for kind in kinds} <= {422, 429, 502, 503, 504}


async def test_the_scripted_model_plays_the_script_that_a_function_makes_of_the_request() -> None:
    provider = Scripted(lambda request: saying(request.messages[-1].content.upper()))
    events, _ = await collected(provider.answer(REQUEST))
    assert events == [TextDelta("HI"), Finished(FinishReason.STOP, Usage(1, 1, reported=True))]
    assert [model.name for model in await provider.models()] == ["scripted"]
