"""Answers are read at a beat: the first words at once, what follows with everybody else's."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from inference.beat import Beat, reading_beat
from inference.types import Event, TextDelta
from tests.inference.replay import ReplayServer, recorded
from tests.inference.rigs import ASKED, WIRE_RIGS, Rig


async def test_all_that_wait_are_woken_at_one_strike_also_beside_one_that_left() -> None:
    beat = Beat()
    waiting = [asyncio.create_task(beat.next()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting, return_when=asyncio.ALL_COMPLETED)
    assert [waiter.cancelled() for waiter in waiting] == [True, False, False]
    await asyncio.wait_for(beat.next(), 20)


@pytest.mark.parametrize("rig", WIRE_RIGS, ids=lambda rig: rig.kind)
async def test_the_first_words_are_not_held_and_those_that_follow_come_with_the_beat(
    replay: ReplayServer, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.beat.EVERY_S", 3600.0)
    wire = recorded(f"{rig.kind}_answer").wire()
    after_first = wire.index(b"\r\n", wire.index(rig.text.split()[1].encode()))
    gate = asyncio.Event()
    events = rig.play(replay, "answer", gates={after_first: gate}).answer(ASKED)
    first = await asyncio.wait_for(anext(events), 20)

    rest = asyncio.create_task(_rest_of(events))
    gate.set()
    await replay.until(replied=1)
    assert not rest.done()
    reading_beat()._strike()
    told = await asyncio.wait_for(rest, 20)

    assert "".join(event.text for event in [first, *told] if isinstance(event, TextDelta)) == rig.text
    assert [type(event) for event in told] == [TextDelta, type(rig.finished)]


async def _rest_of(events: AsyncGenerator[Event, None]) -> list[Event]:
    return [event async for event in events]
