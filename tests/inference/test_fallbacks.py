"""Who is asked again, who stands in, and what the reader is told: every failure, one by one."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from inference import catalog, retries, router
from inference.breaker import FAILURES_TO_OPEN
from inference.errors import (
    AnswerCutOff,
    InferenceError,
    ModelAccessDenied,
    ModelBusy,
    ModelFailed,
    ModelMissing,
    ModelTimeout,
    ModelUnreachable,
    PromptRejected,
    PromptTooLong,
    VendorError,
)
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted, Step, saying
from inference.router import answer
from inference.timeouts import Timeouts
from inference.types import Event, Finished, Image, ModelChanged, PromptMessage, PromptRequest, Status
from tests.inference.rigs import collected, text_of

REQUEST = PromptRequest("ignored", (PromptMessage("user", "Hi"),))
PATIENT = Timeouts(first_token_s=60, idle_s=60, total_s=60)


class Servers:
    """Scripted models in the catalog, each on a server of its own; every call plays its server's next script."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def add(
        self, name: str, *scripts: list[Step], fallbacks: tuple[str, ...] = (), timeouts: Timeouts = PATIENT
    ) -> tuple[OfferedModel, Scripted]:
        left = list(scripts)
        server = Scripted(lambda _: left.pop(0) if len(left) > 1 else left[0], name=name)
        model = OfferedModel(
            f"{name}/it",
            f"the {name}",
            name,
            default=False,
            context_window=77,
            fallbacks=tuple(f"{other}/it" for other in fallbacks),
            timeouts=timeouts,
        )
        self._stack.enter_context(catalog.offering(model, server))
        return model, server


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)
    with ExitStack() as stack:
        yield Servers(stack)


def after(error: InferenceError, retry_after_s: float | None) -> InferenceError:
    """The error with a server's word of when to come back."""
    error.__cause__ = VendorError("no", status=503, retry_after_s=retry_after_s)
    return error


def late() -> ModelTimeout:
    return ModelTimeout("it", what="did not begin to answer in", waited_s=1)


# failure, asked so often before the first token, another model may stand in
FAILURES = [
    (ModelUnreachable("it"), 3, True),
    (ModelBusy("it"), 3, True),
    (after(ModelBusy("it"), 600), 1, True),
    (ModelFailed("it"), 3, True),
    (AnswerCutOff("it"), 3, True),
    (late(), 1, True),
    (ModelMissing("it"), 1, True),
    (ModelAccessDenied("it"), 1, True),
    (PromptRejected("it"), 1, False),
    (PromptTooLong("it"), 1, False),
]
every_failure = pytest.mark.parametrize(
    ("failure", "asked", "replaceable"),
    FAILURES,
    ids=[f"{number}-{row[0].code}" for number, row in enumerate(FAILURES)],
)


@every_failure
async def test_before_the_first_token_a_passing_failure_is_tried_again(
    servers: Servers, failure: InferenceError, asked: int, replaceable: bool
) -> None:
    del replaceable
    model, server = servers.add("first", [failure])
    events, error = await collected(answer(model, REQUEST))
    assert (events, error) == ([], failure)
    assert len(server.requests) == asked


@every_failure
async def test_another_model_stands_in_where_it_may_do_better(
    servers: Servers, failure: InferenceError, asked: int, replaceable: bool
) -> None:
    model, server = servers.add("first", [failure], fallbacks=("second",))
    _, second = servers.add("second", saying("Hello."))
    events, error = await collected(answer(model, REQUEST))
    assert len(server.requests) == asked
    if not replaceable:
        assert (events, error, second.requests) == ([], failure, [])
        return
    assert error is None
    assert events[0] == ModelChanged("second/it", "the second", "the first", restarted=False)
    assert (text_of(events), type(events[-1])) == ("Hello.", Finished)


@every_failure
async def test_after_the_first_token_nobody_is_asked_twice_and_the_stand_in_begins_anew(
    servers: Servers, failure: InferenceError, asked: int, replaceable: bool
) -> None:
    del asked
    model, server = servers.add("first", ["So far", failure], fallbacks=("second",))
    servers.add("second", saying("Hello."))
    events, error = await collected(answer(model, REQUEST))
    assert len(server.requests) == 1
    if replaceable:
        assert error is None
        assert events[1] == ModelChanged("second/it", "the second", "the first", restarted=True)
        assert text_of(events[2:]) == "Hello."
    else:
        assert (text_of(events), error) == ("So far", failure)


async def test_whoever_cannot_take_words_back_gets_the_failure(servers: Servers) -> None:
    failure = ModelFailed("it")
    model, _ = servers.add("first", ["So far", failure], fallbacks=("second",))
    _, second = servers.add("second", saying("Hello."))
    events, error = await collected(answer(model, REQUEST, restarts=False))
    assert (text_of(events), error, second.requests) == ("So far", failure, [])


async def test_an_attempt_that_succeeds_ends_the_trying_and_is_told_once(servers: Servers) -> None:
    model, server = servers.add("first", [ModelUnreachable("it")], [ModelFailed("it")], saying("Hello."))
    events, error = await collected(answer(model, REQUEST))
    assert (text_of(events), error, len(server.requests)) == ("Hello.", None, 3)
    assert not any(isinstance(event, ModelChanged) for event in events)


async def test_a_status_is_no_first_token(servers: Servers) -> None:
    model, server = servers.add("first", [Status("loading", 0.1), ModelUnreachable("it")], saying("Hello."))
    events, error = await collected(answer(model, REQUEST))
    assert (text_of(events), error, len(server.requests)) == ("Hello.", None, 2)


async def test_when_all_fail_the_reader_is_told_of_the_model_that_was_asked_for(servers: Servers) -> None:
    failure = ModelMissing("it")
    model, _ = servers.add("first", [failure], fallbacks=("second", "gone", "third", "first"))
    servers.add("second", [ModelAccessDenied("it")])
    servers.add("third", [PromptTooLong("it")])
    events, error = await collected(answer(model, REQUEST))
    assert (events, error) == ([], failure)


async def test_stand_ins_are_asked_in_order_and_their_own_are_not(servers: Servers) -> None:
    model, _ = servers.add("first", [ModelMissing("it")], fallbacks=("second", "third"))
    servers.add("second", [ModelMissing("it")], fallbacks=("fourth",))
    servers.add("third", saying("Hello."))
    _, fourth = servers.add("fourth", saying("Not me."))
    events, _ = await collected(answer(model, REQUEST))
    assert (text_of(events), fourth.requests) == ("Hello.", [])


async def test_a_stand_in_that_breaks_too_leaves_its_own_words_and_failure(servers: Servers) -> None:
    failure = ModelFailed("it")
    model, _ = servers.add("first", ["One", AnswerCutOff("it")], fallbacks=("second", "third"))
    servers.add("second", ["Two", failure])
    servers.add("third", [ModelMissing("it")])
    events, error = await collected(answer(model, REQUEST))
    assert [event for event in events if isinstance(event, ModelChanged)] == [
        ModelChanged("second/it", "the second", "the first", restarted=True)
    ]
    assert error is failure


async def test_a_server_that_names_a_time_is_not_asked_before_it(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = []

    async def passing(pause_s: float) -> None:
        pauses.append(pause_s)

    monkeypatch.setattr(router, "sleep", passing)
    model, server = servers.add("first", [after(ModelBusy("it"), 7)], saying("Hello."))
    events, error = await collected(answer(model, REQUEST))
    assert (error, len(server.requests), pauses) == (None, 2, [7])
    assert isinstance(events[0], Status)
    assert events[0].state == "queued"


async def test_pauses_grow_and_are_spread_over_their_whole_length() -> None:
    first, second = (
        [retries.pause_before_retry_s(ModelUnreachable("it"), attempt) or 0.0 for _ in range(2000)]
        for attempt in (1, 2)
    )
    for pauses, longest in ((first, 0.25), (second, 0.5)):
        assert 0 <= min(pauses) < longest / 20
        assert longest * 19 / 20 < max(pauses) <= longest


async def test_whoever_leaves_in_a_pause_is_not_waited_for(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "pause_before_retry_s", lambda *_: 3600)
    monkeypatch.setattr(router, "pause_before_retry_s", lambda *_: 3600)
    model, server = servers.add("first", [ModelUnreachable("it")])
    events: list[Event] = []

    async def reading() -> None:
        async for event in answer(model, REQUEST):
            events.append(event)  # noqa: PERF401  (it is cancelled)

    reader = asyncio.ensure_future(reading())
    await server.until(begun=1)
    await server.until_idle()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert len(server.requests) == 1


async def test_a_server_that_always_fails_is_not_asked_any_more_and_its_stand_in_is(servers: Servers) -> None:
    model, server = servers.add("first", [late()], fallbacks=("second",))
    servers.add("second", saying("Hello."))
    for _ in range(FAILURES_TO_OPEN + 3):
        events, error = await collected(answer(model, REQUEST))
        assert (text_of(events), error) == ("Hello.", None)
    assert len(server.requests) == FAILURES_TO_OPEN


async def test_a_server_at_rest_is_said_to_be_and_when_it_is_over(servers: Servers) -> None:
    model, server = servers.add("first", [late()])
    for _ in range(FAILURES_TO_OPEN):
        await collected(answer(model, REQUEST))
    _, error = await collected(answer(model, REQUEST))
    assert isinstance(error, InferenceError)
    assert (error.code, error.status, error.extra["retry_after_s"]) == ("model_at_rest", 503, 5)
    assert "Try again in 5 s" in error.detail
    assert len(server.requests) == FAILURES_TO_OPEN


async def test_a_probe_whose_reader_leaves_makes_room_for_the_next(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.breaker.FIRST_REST_S", 0.0)
    model, server = servers.add("first", *[[late()]] * FAILURES_TO_OPEN, [asyncio.Event()], saying("Hello."))
    for _ in range(FAILURES_TO_OPEN):
        await collected(answer(model, REQUEST))
    probe = asyncio.ensure_future(collected(answer(model, REQUEST)))
    await server.until(begun=FAILURES_TO_OPEN + 1)
    assert getattr((await collected(answer(model, REQUEST)))[1], "code", None) == "model_at_rest"
    probe.cancel()
    await asyncio.wait({probe})
    events, error = await collected(answer(model, REQUEST))
    assert (text_of(events), error) == ("Hello.", None)


async def test_a_server_that_is_back_is_asked_as_before(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.breaker.FIRST_REST_S", 0.0)
    model, server = servers.add("first", *[[late()]] * FAILURES_TO_OPEN, saying("Hello."))
    for _ in range(FAILURES_TO_OPEN):
        await collected(answer(model, REQUEST))
    for _ in range(3):
        events, error = await collected(answer(model, REQUEST))
        assert (text_of(events), error) == ("Hello.", None)
    assert len(server.requests) == FAILURES_TO_OPEN + 3


async def test_a_fallback_that_cannot_see_is_passed_over_when_there_are_pictures() -> None:
    picture = PromptMessage("user", "What is this?", (Image("image/png", b"..."),))
    broken = Scripted([ModelMissing("it")], name="broken")
    blind, eyes = Scripted(saying("I guess"), name="blind"), Scripted(saying("A cup"), name="eyes")
    with ExitStack() as stack:
        for server, capabilities in ((eyes, ("vision",)), (blind, ()), (broken, ("vision",))):
            model = OfferedModel(
                f"{server.name}/it",
                "it",
                server.name,
                default=False,
                context_window=77,
                capabilities=capabilities,
                fallbacks=("blind/it", "eyes/it") if server is broken else (),
            )
            stack.enter_context(catalog.offering(model, server))
        seen, _ = await collected(answer(model, PromptRequest("", (picture,))))
        heard, _ = await collected(answer(model, REQUEST))
    assert (text_of(seen), text_of(heard)) == ("A cup", "I guess")
    assert len(blind.requests) == 1
