"""Calls through the router, with a limit in front of their server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, aclosing

import pytest
import pytest_asyncio

from eloquent.foundation.config import ConfigFaults, get_config
from inference import retries, router
from inference.admission import limits, queues
from inference.admission.limits import Limit, limit_of
from inference.admission.queues import close_queues, queue_of
from inference.breaker import FAILURES_TO_OPEN
from inference.errors import InferenceError, ModelBusy, ModelUnreachable
from inference.providers.scripted import saying
from inference.router import answer
from inference.types import Event, ModelChanged, PromptMessage, PromptRequest, Status
from tests.inference.rigs import collected, text_of
from tests.inference.test_fallbacks import Servers

REQUEST = PromptRequest("ignored", (PromptMessage("user", "Hi"),))


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)
    with ExitStack() as stack:
        yield Servers(stack)


@pytest_asyncio.fixture(params=["memory", "redis"])
async def limited(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Limit]]:
    """The limits, by provider; a test may add some. Whatever happens, nothing is held at the end."""
    at: dict[str, Limit] = {"first": Limit(1, 1)}
    monkeypatch.setattr(queues, "limit_of", at.get)
    if request.param == "memory":
        monkeypatch.setattr(queues, "redis_client", lambda: None)
        monkeypatch.setattr(queues, "get_config", lambda: get_config().model_copy(update={"redis_url": None}))
    yield at
    for name in at:
        queue = queue_of(name)
        assert queue is not None
        assert (queue.at_work, queue.waiting) == (0, 0)
    await close_queues()


class Reading:
    """An answer that is read in a task of its own."""

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self.events: list[Event] = []
        self.error: BaseException | None = None
        self._came = asyncio.Condition()
        self.task = asyncio.create_task(self._read(events))

    async def _read(self, events: AsyncIterator[Event]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    async with self._came:
                        self.events.append(event)
                        self._came.notify_all()
        except InferenceError as error:
            self.error = error

    async def until(self, condition: Callable[[list[Event]], bool]) -> None:
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: condition(self.events))

    async def until_queued(self) -> None:
        await self.until(lambda events: any(isinstance(event, Status) and event.position for event in events))


async def test_a_call_waits_for_a_slot_is_told_where_and_is_answered(
    servers: Servers, limited: dict[str, Limit]
) -> None:
    gate = asyncio.Event()
    model, server = servers.add("first", [gate, *saying("One")], saying("Two"))
    one = Reading(answer(model, REQUEST))
    await server.until(begun=1)
    two = Reading(answer(model, REQUEST))
    await two.until_queued()
    assert two.events == [Status("queued", 0.0, 1, None)]
    assert len(server.requests) == 1
    gate.set()
    await asyncio.gather(one.task, two.task)
    assert (text_of(one.events), text_of(two.events)) == ("One", "Two")


async def test_a_full_queue_is_busy_at_once_and_the_server_is_not_asked(
    servers: Servers, limited: dict[str, Limit], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def pause(pause_s: float) -> None:
        pauses.append(pause_s)

    monkeypatch.setattr(router, "sleep", pause)
    gate = asyncio.Event()
    model, server = servers.add("first", [gate, *saying("One")], saying("Two"))
    readings = [Reading(answer(model, REQUEST))]
    await server.until(begun=1)
    readings.append(Reading(answer(model, REQUEST)))
    await readings[1].until_queued()
    events, error = await collected(answer(model, REQUEST))
    assert isinstance(error, ModelBusy)
    assert (events, error.status, error.headers["Retry-After"], len(server.requests)) == ([], 503, "5", 1)
    assert pauses == []  # nor is the queue asked again
    gate.set()
    await asyncio.gather(*(reading.task for reading in readings))


async def test_a_stand_in_is_asked_at_its_own_queue_when_the_first_is_full(
    servers: Servers, limited: dict[str, Limit]
) -> None:
    limited.update(first=Limit(1, 0), second=Limit(1, 5))
    gate, other_gate = asyncio.Event(), asyncio.Event()
    model, server = servers.add("first", [gate, *saying("One")], fallbacks=("second",))
    other, second = servers.add("second", [other_gate, *saying("Two")], saying("Instead"))
    readings = [Reading(answer(model, REQUEST)), Reading(answer(other, REQUEST))]
    await server.until(begun=1)
    await second.until(begun=1)
    readings.append(Reading(answer(model, REQUEST)))
    await readings[2].until_queued()
    gate.set()
    other_gate.set()
    await asyncio.gather(*(reading.task for reading in readings))
    assert any(isinstance(event, ModelChanged) for event in readings[2].events)
    assert (text_of(readings[2].events), len(server.requests)) == ("Instead", 1)


async def test_a_retry_gives_its_slot_back_while_it_pauses(
    servers: Servers, limited: dict[str, Limit], monkeypatch: pytest.MonkeyPatch
) -> None:
    pausing, go_on = asyncio.Event(), asyncio.Event()

    async def pause(_pause_s: float) -> None:
        pausing.set()
        await go_on.wait()

    monkeypatch.setattr(router, "sleep", pause)
    model, _ = servers.add("first", [ModelUnreachable("it")], saying("Another"), saying("Again"))
    retried = Reading(answer(model, REQUEST))
    await pausing.wait()
    events, _ = await collected(answer(model, REQUEST))
    assert text_of(events) == "Another"
    go_on.set()
    await retried.task
    assert text_of(retried.events) == "Again"


async def test_who_leaves_while_waiting_makes_room(servers: Servers, limited: dict[str, Limit]) -> None:
    gate = asyncio.Event()
    model, server = servers.add("first", [gate, *saying("One")], saying("Three"))
    one = Reading(answer(model, REQUEST))
    await server.until(begun=1)
    left = Reading(answer(model, REQUEST))
    await left.until_queued()
    left.task.cancel()
    await asyncio.wait([left.task])
    three = Reading(answer(model, REQUEST))
    await three.until_queued()
    gate.set()
    await asyncio.gather(one.task, three.task)
    assert (text_of(three.events), len(server.requests)) == ("Three", 2)


async def test_whoever_waited_for_a_server_that_has_begun_to_rest_is_told_so(
    servers: Servers, limited: dict[str, Limit]
) -> None:
    gate = asyncio.Event()
    failing = [ModelUnreachable("it")]
    limited["first"] = Limit(1, 10)
    model, server = servers.add("first", [gate, *failing], failing)
    one = Reading(answer(model, REQUEST))
    await server.until(begun=1)
    waiting = [Reading(answer(model, REQUEST)) for _ in range(FAILURES_TO_OPEN)]
    for reading in waiting:
        await reading.until_queued()
    gate.set()
    await asyncio.gather(one.task, *(reading.task for reading in waiting))
    assert "model_at_rest" in {reading.error.code for reading in waiting if isinstance(reading.error, InferenceError)}
    assert len(server.requests) == FAILURES_TO_OPEN


async def test_without_a_limit_there_is_no_queue(servers: Servers) -> None:
    model, _ = servers.add("first", saying("Hello."))
    events, _ = await collected(answer(model, REQUEST))
    assert text_of(events) == "Hello."
    assert queue_of("first") is None


def test_the_limits_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "get_config", get_config.__wrapped__)
    assert limit_of("ollama") is None
    monkeypatch.setenv("MODEL_SLOTS", "ollama=4, openai-compatible = 12")
    monkeypatch.setenv("MODEL_QUEUE", "7")
    assert (limit_of("ollama"), limit_of("openai-compatible"), limit_of("llamacpp")) == (
        Limit(4, 7),
        Limit(12, 7),
        None,
    )
    for wrong in ("ollama", "ollama=", "ollama=0", "=3", "ollama=-1", "ollama=x"):
        monkeypatch.setenv("MODEL_SLOTS", wrong)
        with pytest.raises(ConfigFaults, match="MODEL_SLOTS"):
            limit_of("ollama")
