"""Turns at several servers: whose line is stood in, whose turn comes first, and what is given back."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from eloquent.foundation.telemetry import metrics
from inference.admission import turn as turn_module
from inference.admission.limits import Limit
from inference.admission.queue import Queue
from inference.admission.turn import Turn
from inference.billing.types import Purpose
from inference.errors import ModelBusy


def lines(count: int = 2, *, slots: int = 1, waiting: int = 100) -> list[Queue]:
    """The queues of so many servers."""
    return [Queue(f"ollama@{number}", Limit(slots, waiting)) for number in range(count)]


def turn_at(queues: Sequence[Queue | None], user: str = "ann") -> Turn:
    return Turn(queues, user, Purpose.ANSWER)


async def admitted(turn: Turn, *, within_s: float = 10) -> int:
    """Which of the servers it went to."""
    async for _ in turn.until_admitted(model="it", within_s=within_s):
        pass
    turn.stay()
    return turn.admitted_to


def held(queues: Sequence[Queue]) -> list[tuple[int, int]]:
    return [(queue.at_work, queue.waiting) for queue in queues]


async def test_a_free_server_is_taken_and_the_other_lines_are_left_alone() -> None:
    queues = lines()
    turn = turn_at(queues)
    assert await admitted(turn) == 0
    assert held(queues) == [(1, 0), (0, 0)]
    turn.leave()
    assert held(queues) == [(0, 0), (0, 0)]


async def test_where_the_best_is_busy_the_next_one_is_gone_to() -> None:
    queues = lines()
    await admitted(turn_at(queues))
    assert await admitted(turn_at(queues, "bob")) == 1
    assert held(queues) == [(1, 0), (1, 0)]


@pytest.mark.parametrize("first", [0, 1])
async def test_who_waits_goes_where_the_turn_comes_first_and_gives_the_other_place_back(first: int) -> None:
    queues = lines()
    busy = [turn_at(queues), turn_at(queues)]
    assert [await admitted(turn) for turn in busy] == [0, 1]
    waiting = turn_at(queues, "bob")
    going = asyncio.create_task(admitted(waiting))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert held(queues) == [(1, 1), (1, 1)]
    busy[first].leave()
    assert await going == first
    assert held(queues) == [(1, 0), (1, 0)]
    waiting.leave(served=True)
    assert queues[first]._service_s is not None
    assert queues[1 - first]._service_s is None


async def test_one_is_told_of_the_shorter_line() -> None:
    queues = lines()
    for turn in [turn_at(queues), turn_at(queues)]:
        await admitted(turn)
    ahead = [asyncio.create_task(admitted(turn_at(queues[:1], user))) for user in ("cid", "dan")]
    await asyncio.sleep(0)
    queues[1]._service_s = 8.0
    statuses = turn_at(queues, "bob").until_admitted(model="it", within_s=10)
    told = await anext(statuses)
    assert (told.position, told.eta_s) == (1, 8.0)
    await statuses.aclose()
    assert [queue.waiting for queue in queues] == [2, 0]
    for task in ahead:
        task.cancel()
    await asyncio.wait(ahead)


async def test_only_when_every_line_is_full_there_is_no_room() -> None:
    queues = lines(waiting=1)
    for turn in [turn_at(queues), turn_at(queues)]:
        await admitted(turn)
    # One more waits in both lines. The next is refused by both.
    waits = asyncio.create_task(admitted(turn_at(queues, "bob")))
    await asyncio.sleep(0.01)
    with pytest.raises(ModelBusy) as refused:
        await admitted(turn_at(queues, "cid"))
    assert refused.value.asked is False
    queues[1]._limit = Limit(1, 2)
    also = asyncio.create_task(admitted(turn_at(queues, "cid")))
    await asyncio.sleep(0.01)
    assert held(queues) == [(1, 1), (1, 2)]
    for task in (waits, also):
        task.cancel()
    await asyncio.wait([waits, also])
    assert held(queues) == [(1, 0), (1, 0)]


async def test_a_line_that_was_full_is_stood_in_again_while_the_call_waits_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn_module, "TRIED_AGAIN_AFTER_S", 0.02)
    queues = lines(waiting=1)
    first, other = turn_at(queues[:1]), turn_at(queues[1:])
    await admitted(first)
    await admitted(other)
    ahead = turn_at(queues[:1], "bob")
    goes = asyncio.create_task(admitted(ahead))
    await asyncio.sleep(0)
    waits = asyncio.create_task(admitted(turn_at(queues, "cid")))
    await asyncio.sleep(0)
    assert held(queues) == [(1, 1), (1, 1)]
    first.leave()
    await goes
    ahead.leave()
    assert await waits == 0


async def test_where_one_does_not_want_to_be_after_all_another_turn_is_waited_for() -> None:
    queues = lines()
    await admitted(turn_at(queues[1:]))
    turn = turn_at(queues)
    async for _ in turn.until_admitted(model="it", within_s=10):
        pass
    assert turn.admitted_to == 0
    turn.pass_over()
    assert held(queues) == [(0, 0), (1, 0)]
    with pytest.raises(ModelBusy):
        await admitted(turn, within_s=0.02)
    assert held(queues) == [(0, 0), (1, 0)]


async def test_operators_see_how_long_calls_waited_also_those_that_waited_in_vain() -> None:
    metrics.queue_wait.take()
    queues = lines(1, waiting=1)
    busy = turn_at(queues)
    await admitted(busy)
    [at_once] = metrics.queue_wait.take()
    assert at_once < 1000
    with pytest.raises(ModelBusy):
        await admitted(turn_at(queues, "bob"), within_s=0.05)
    [in_vain] = metrics.queue_wait.take()
    assert in_vain >= 50
    waiting = turn_at(queues, "cid")
    going = asyncio.create_task(admitted(waiting))
    await asyncio.sleep(0)
    with pytest.raises(ModelBusy):
        await admitted(turn_at(queues, "dan"))
    assert metrics.queue_wait.take() == [], "who finds no room has not waited, and others still do"
    going.cancel()
    await asyncio.wait([going])
    assert len(metrics.queue_wait.take()) == 1, "who loses patience has"
    for turn in (busy, waiting):
        turn.leave()
    assert metrics.queue_wait.take() == [], "and each is told once"


async def test_where_all_that_come_are_taken_nobody_waits() -> None:
    metrics.queue_wait.take()
    turn = turn_at([None])
    await admitted(turn)
    turn.leave()
    assert metrics.queue_wait.take() == []


async def test_servers_without_a_line_take_all_that_come() -> None:
    turn = turn_at([None, None])
    assert await admitted(turn) == 0
    turn.pass_over()
    assert await admitted(turn) == 1
    turn.leave()


async def test_who_loses_patience_holds_nothing() -> None:
    queues = lines()
    for turn in [turn_at(queues), turn_at(queues)]:
        await admitted(turn)
    with pytest.raises(ModelBusy):
        await admitted(turn_at(queues, "bob"), within_s=0.02)
    assert held(queues) == [(1, 0), (1, 0)]


@pytest.mark.parametrize("seed", range(3))
async def test_after_thousands_of_turns_no_server_had_too_much_and_nothing_is_held(seed: int) -> None:
    dice = random.Random(seed)
    queues = lines(3, slots=2, waiting=10)
    at_work, most = [0, 0, 0], 0

    async def call() -> None:
        nonlocal most
        mine = dice.sample(queues, dice.randrange(1, 4))
        turn = turn_at(mine, dice.choice("abcde"))
        try:
            number = queues.index(mine[await admitted(turn, within_s=dice.choice([60, 60, 0.001]))])
            at_work[number] += 1
            most = max(most, *at_work)
            try:
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                at_work[number] -= 1
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
    assert most == 2
    assert held(queues) == [(0, 0)] * 3
    assert all(queue._places == {} for queue in queues)
