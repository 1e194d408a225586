"""The journal of one process: every reader sees each chunk once and in order, and costs nobody anything."""

import asyncio

import pytest
from bson import ObjectId

from chat.journal import BehindLog, Journal, MemoryJournal, NotInJournal
from chat.journal import log as log_module
from chat.journal import memory as memory_module


async def read_all(journal: Journal, run_id: ObjectId, after: int = -1) -> list[bytes]:
    """All chunks behind a position, checking that the positions are contiguous."""
    seen: list[bytes] = []
    async for first, chunks, _ in await journal.follow(run_id, after=after):
        assert first == after + 1 + len(seen)
        seen += chunks
    return seen


async def test_a_reader_waits_for_what_is_not_written_yet() -> None:
    journal, run_id = MemoryJournal(), ObjectId()
    journal.open(run_id)
    reader = asyncio.create_task(read_all(journal, run_id))
    await asyncio.sleep(0)
    assert not reader.done()
    journal.append(run_id, [b"1"])
    journal.close(run_id)
    assert await reader == [b"1"]


async def test_a_chunk_reaches_a_waiting_reader_at_once() -> None:
    journal, run_id = MemoryJournal(), ObjectId()
    journal.open(run_id)
    entries = await journal.follow(run_id)
    for number in range(3):
        waiting = asyncio.ensure_future(anext(entries))
        await asyncio.sleep(0)
        journal.append(run_id, [b"%d" % number])
        async with asyncio.timeout(5):
            assert await waiting == (number, [b"%d" % number], False)


async def test_an_idle_log_says_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "HEARTBEAT_S", 0.01)
    journal, run_id = MemoryJournal(), ObjectId()
    journal.open(run_id)
    assert await anext(await journal.follow(run_id)) == (0, (), False)


async def test_a_reader_who_leaves_is_forgotten() -> None:
    journal, run_id = MemoryJournal(), ObjectId()
    journal.open(run_id)
    reader = asyncio.create_task(read_all(journal, run_id))
    await asyncio.sleep(0)
    log = journal.log_of(run_id)
    assert log is not None
    assert len(log.readers) == 1
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    assert not log.readers


async def test_a_reader_far_behind_gets_the_log_in_pieces() -> None:
    """Otherwise a whole log would wait in the buffer of one slow connection."""
    journal, run_id = MemoryJournal(), ObjectId()
    journal.open(run_id)
    journal.append(run_id, [b"x"] * 2500)
    journal.close(run_id)
    assert [len(chunks) async for _, chunks, _ in await journal.follow(run_id)] == [1000, 1000, 500]


async def test_finished_logs_stay_below_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "KEPT_BYTES", 250)
    journal, run_ids = MemoryJournal(), [ObjectId() for _ in range(4)]
    for run_id in run_ids:
        journal.open(run_id)
        journal.append(run_id, [b"x" * 100])
        journal.close(run_id)
    for run_id in run_ids[:2]:
        with pytest.raises(NotInJournal):
            await journal.follow(run_id)
    assert await read_all(journal, run_ids[3]) == [b"x" * 100]


async def test_a_finished_log_is_dropped_in_time_and_a_running_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "KEPT_S", 0.0)
    journal, ended, running = MemoryJournal(), ObjectId(), ObjectId()
    journal.open(ended)
    journal.open(running)
    journal.close(ended)
    await asyncio.sleep(0)  # a loop turn, in which the timer is due
    await asyncio.sleep(0)
    with pytest.raises(NotInJournal):
        await journal.follow(ended)
    assert await journal.follow(running) is not None


async def test_a_log_is_trimmed_only_when_it_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    journal, run_id = MemoryJournal(), ObjectId()
    journal.open(run_id)
    journal.append(run_id, [b"1", b"2", b"3", b"4"])
    journal.trim(run_id, 3)
    journal.close(run_id)
    assert await read_all(journal, run_id) == [b"1", b"2", b"3", b"4"]
    monkeypatch.setattr(log_module, "MOST_CHUNKS", 3)
    journal.trim(run_id, 3)
    with pytest.raises(NotInJournal):
        await journal.follow(run_id, after=1)
    assert await read_all(journal, run_id, after=2) == [b"4"]


async def test_a_reader_whom_the_trimming_overtakes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MOST_CHUNKS", 1)
    journal, run_id = MemoryJournal(), ObjectId()
    journal.open(run_id)
    journal.append(run_id, [b"1"])
    entries = await journal.follow(run_id)
    assert await anext(entries) == (0, [b"1"], False)
    journal.append(run_id, [b"2", b"3"])
    journal.trim(run_id, 3)
    with pytest.raises(BehindLog):
        await anext(entries)
