"""The queue in front of a server, in memory and in Redis: the same for both."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import TypeAlias

import pytest
import pytest_asyncio

from eloquent.foundation.config import get_config
from inference.admission import queue as queue_module
from inference.admission.limits import Limit
from inference.admission.queue import Queue
from inference.admission.turn import Turn
from inference.billing.types import Purpose
from inference.errors import ModelBusy
from tests.inference.admission.callers import Caller, Process, held, until

Make: TypeAlias = Callable[..., Queue]
names = count()


@pytest_asyncio.fixture(params=["memory", "redis"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    processes: list[Process] = []
    queues: list[Queue] = []

    def made(slots: int, waiting: int = 100) -> Queue:
        name = f"test-{next(names)}"
        if request.param == "memory":
            queues.append(Queue(name, Limit(slots, waiting)))
            return queues[-1]
        process = Process(get_config().redis_url.get_secret_value(), name, Limit(slots, waiting))
        processes.append(process)
        return process.queue

    yield made
    for queue in queues:
        await queue.aclose()
    for process in processes:
        await process.aclose()
        # Nothing is left behind, whatever the test did.
        redis = type(process.redis).from_url(get_config().redis_url.get_secret_value())
        assert await held(redis, process.queue.name) == (0, 0)
        await redis.aclose()


async def test_only_so_many_are_at_work_and_the_next_follows(make: Make) -> None:
    queue = make(2)
    first, second, third = (Caller(queue, "a") for _ in range(3))
    await first.admitted()
    await second.admitted()
    assert (await third.told_of(1)).state == "queued"
    first.leave()
    await third.admitted()
    assert queue.at_work == 2


async def test_who_asked_twenty_times_delays_nobody_who_asked_once(make: Make) -> None:
    queue = make(1)
    many = [Caller(queue, "many") for _ in range(20)]
    await many[0].admitted()
    await many[-1].told_of(19)
    one, other = Caller(queue, "one"), Caller(queue, "other")
    await other.told_of(3)
    many[0].leave()
    served = []
    callers = [*many[1:], one, other]
    for _ in range(4):
        await until(lambda: any(caller.is_admitted for caller in callers), callers)
        [now] = [caller for caller in callers if caller.is_admitted]
        served.append(now.user)
        callers.remove(now)
        now.leave()
    assert served == ["many", "one", "other", "many"]


async def test_answers_go_before_completions_and_those_before_titles(make: Make) -> None:
    queue = make(1)
    at_work = await Caller(queue, "a").admitted()
    title = Caller(queue, "a", Purpose.TITLE)
    await title.told_of(1)
    completion = Caller(queue, "a", Purpose.COMPLETION)
    await completion.told_of(1)
    answer = Caller(queue, "a")
    await answer.told_of(1)
    for now, later in ((answer, [completion, title]), (completion, [title]), (title, [])):
        at_work.leave()
        at_work = await now.admitted()
        assert not any(caller.is_admitted for caller in later)


async def test_a_full_queue_refuses_and_says_when_to_come_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = make(1, waiting=1)
    at_work = await Caller(queue, "a").admitted()
    assert not await queue.is_full()
    waiting = Caller(queue, "b")
    await waiting.told_of(1)
    assert await queue.is_full()
    with pytest.raises(ModelBusy) as refused:
        await Caller(queue, "c").waiting
    assert (refused.value.asked, refused.value.headers["Retry-After"]) == (False, "5")
    queue._service_s = 7.4
    with pytest.raises(ModelBusy) as refused:
        await Caller(queue, "c").waiting
    assert refused.value.headers["Retry-After"] == "8"
    at_work.leave()
    await waiting.admitted()
    await Caller(queue, "c").told_of(1)  # there is room again


async def test_without_room_to_wait_free_slots_are_still_given(make: Make) -> None:
    queue = make(2, waiting=0)
    await Caller(queue, "a").admitted()
    await Caller(queue, "a").admitted()
    with pytest.raises(ModelBusy):
        await Caller(queue, "a").waiting


async def test_positions_are_told_as_they_move_with_the_time_it_is_likely_to_take(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "TOLD_EVERY_S", 0.01)
    queue = make(2)
    first, second = await Caller(queue, "a").admitted(), await Caller(queue, "a").admitted()
    waiting = [Caller(queue, user) for user in "bcd"]
    assert (await waiting[2].told_of(3)).eta_s is None
    queue._service_s = 10.0
    first.leave()
    assert (await waiting[2].told_of(2)).eta_s == 10.0
    second.leave()
    assert (await waiting[2].told_of(1)).eta_s == 5.0
    await waiting[0].admitted()
    await waiting[1].admitted()
    assert [status.position for status in waiting[2].told] == [3, 2, 1]
    elapsed = [status.elapsed_s for status in waiting[2].told]
    assert elapsed == sorted(elapsed)


async def test_a_position_is_told_at_most_once_a_second(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "TOLD_EVERY_S", 3600)
    queue = make(1)
    at_work = await Caller(queue, "a").admitted()
    waiting = [Caller(queue, user) for user in "bcd"]
    await waiting[2].told_of(3)
    for caller in waiting:
        at_work.leave()
        at_work = await caller.admitted()
    assert [status.position for status in waiting[2].told] == [3]


async def test_the_time_of_calls_that_were_served_counts_and_no_other(make: Make) -> None:
    queue = make(1)
    (await Caller(queue, "a").admitted()).leave(served=False)
    assert queue.eta_s(1) is None
    (await Caller(queue, "a").admitted()).leave(served=True)
    assert queue.eta_s(1) is not None


async def test_whoever_is_stopped_while_waiting_gives_the_place_back_at_once(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "TOLD_EVERY_S", 0.01)
    queue = make(1)
    at_work = await Caller(queue, "a").admitted()
    stopped, other = Caller(queue, "b"), Caller(queue, "c")
    await other.told_of(2)
    await stopped.stop()
    assert queue.waiting == 1
    await other.told_of(1)
    at_work.leave()
    await other.admitted()


async def test_a_reader_who_closes_while_told_gives_the_place_back(make: Make) -> None:
    queue = make(1)
    await Caller(queue, "a").admitted()
    statuses = Turn([queue], "b", Purpose.ANSWER).until_admitted(model="it", within_s=60)
    assert (await anext(statuses)).position == 1
    await statuses.aclose()
    assert (queue.waiting, queue.at_work) == (0, 1)


async def test_nobody_waits_longer_than_the_models_patience(make: Make) -> None:
    queue = make(1)
    await Caller(queue, "a").admitted()
    with pytest.raises(ModelBusy) as refused:
        await Caller(queue, "b", within_s=0.05).waiting
    assert refused.value.asked is False
    assert (queue.waiting, queue.at_work) == (0, 1)


@pytest.mark.parametrize("seed", range(3))
async def test_after_thousands_of_calls_that_end_in_any_way_nothing_is_held(make: Make, seed: int) -> None:
    dice = random.Random(seed)
    queue = make(3, waiting=10)
    most = 0

    async def call() -> None:
        nonlocal most
        turn = Turn([queue], dice.choice("abcde"), dice.choice(list(Purpose)))
        try:
            async for _ in turn.until_admitted(model="it", within_s=dice.choice([60, 60, 0.001])):
                pass
            most = max(most, queue.at_work)
            assert queue.at_work <= 3
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
        finally:
            turn.leave(served=dice.random() < 0.5)

    for _ in range(40):
        calls = [asyncio.create_task(call()) for _ in range(dice.randrange(50))]
        for task in dice.sample(calls, len(calls) // 3):
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            task.cancel()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(
            outcome is None or isinstance(outcome, ModelBusy | asyncio.CancelledError) for outcome in outcomes
        ), outcomes
    assert most == 3
    assert (queue.at_work, queue.waiting, queue._places, queue._new) == (0, 0, {}, {})
