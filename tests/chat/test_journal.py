"""The journal: every reader sees each chunk once and in order, and costs nobody anything."""

import asyncio

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from chat import journal as journal_module
from chat.journal import Journal, MemoryJournal, NotInJournal


async def read_all(journal: Journal, run_id: ObjectId, after: int = -1) -> list[bytes]:
    """All chunks behind a position, checking that the positions are contiguous."""
    seen: list[bytes] = []
    async for first, chunks in journal.follow(run_id, after=after):
        assert first == after + 1 + len(seen)
        seen += chunks
    return seen


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.binary(max_size=5), max_size=4), max_size=12),
    st.lists(st.tuples(st.integers(0, 12), st.integers(-1, 20)), max_size=6),
)
def test_every_reader_sees_each_chunk_once_and_in_order(
    batches: list[list[bytes]], readers: list[tuple[int, int]]
) -> None:
    """Readers join after some batch, at any position that exists by then."""

    async def story() -> None:
        journal, run_id = MemoryJournal(), ObjectId()
        journal.open(run_id)
        reading: list[tuple[int, asyncio.Task[list[bytes]]]] = []
        written: list[bytes] = []
        for number, batch in enumerate(batches):
            for joins_at, after in readers:
                if joins_at == number and after < len(written):
                    reading.append((after, asyncio.create_task(read_all(journal, run_id, after))))
            assert journal.append(run_id, batch) == len(written) + len(batch)
            written += batch
            await asyncio.sleep(0)
        journal.close(run_id)
        for after, task in reading:
            assert await task == written[after + 1 :]
        assert await read_all(journal, run_id) == written

    asyncio.run(story())


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
    entries = journal.follow(run_id)
    for number in range(3):
        waiting = asyncio.ensure_future(anext(entries))
        await asyncio.sleep(0)
        journal.append(run_id, [b"%d" % number])
        async with asyncio.timeout(1):
            assert await waiting == (number, [b"%d" % number])


async def test_an_idle_log_says_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "ALIVE_EVERY_S", 0.01)
    journal, run_id = MemoryJournal(), ObjectId()
    journal.open(run_id)
    assert await anext(journal.follow(run_id)) == (0, ())


async def test_a_reader_who_leaves_is_forgotten() -> None:
    journal, run_id = MemoryJournal(), ObjectId()
    journal.open(run_id)
    reader = asyncio.create_task(read_all(journal, run_id))
    await asyncio.sleep(0)
    assert len(journal._logs[run_id].readers) == 1
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    assert not journal._logs[run_id].readers


async def test_finished_logs_stay_below_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "KEPT_BYTES", 250)
    journal, run_ids = MemoryJournal(), [ObjectId() for _ in range(4)]
    for run_id in run_ids:
        journal.open(run_id)
        journal.append(run_id, [b"x" * 100])
        journal.close(run_id)
    with pytest.raises(NotInJournal):
        journal.follow(run_ids[0])
    with pytest.raises(NotInJournal):
        journal.follow(run_ids[1])
    assert await read_all(journal, run_ids[3]) == [b"x" * 100]


async def test_a_finished_log_is_dropped_in_time_and_a_running_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "KEPT_S", 0.0)
    journal, ended, running = MemoryJournal(), ObjectId(), ObjectId()
    journal.open(ended)
    journal.open(running)
    journal.close(ended)
    await asyncio.sleep(0)  # a loop turn, in which the timer is due
    await asyncio.sleep(0)
    with pytest.raises(NotInJournal):
        journal.follow(ended)
    assert journal.follow(running) is not None
