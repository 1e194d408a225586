"""Both journals, and readers here and in another process: each chunk once and in order, come what may."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from chat.journal import Journal, LogCut, MemoryJournal, NotInJournal, SharedJournal, wire
from chat.journal import log as log_module
from chat.journal import memory as memory_module
from chat.journal import windows as windows_module
from eloquent.foundation.streams import StreamReader
from eloquent.foundation.tasks import end_task
from tests.servers import running_servers

_ENOUGH_S = 10


@asynccontextmanager
async def process(name: str) -> AsyncIterator[SharedJournal]:
    """The journal of one process."""
    url = running_servers().valkey.address
    redis = Redis.from_url(url)
    reader = StreamReader(url, redis, name=name)
    await reader.connect()
    reading = asyncio.create_task(reader.run())
    journal = SharedJournal(redis, reader, url=url)
    journal.start()
    try:
        yield journal
    finally:
        await journal.aclose()
        await end_task(reading)
        await redis.aclose()


@dataclass
class Story:
    """A run, what it has said, and how much of that the saved message holds."""

    run_id: ObjectId = field(default_factory=ObjectId)
    written: list[bytes] = field(default_factory=list)
    saved: int = 0

    async def read(self, journal: Journal, after: int, leaves_after: int | None) -> list[bytes]:
        """All behind a position, resumed where it broke off, and from the saved message where it must be.

        The reader leaves once after so many batches, and comes back.
        """
        seen, batches = self.written[: after + 1], 0
        while True:
            try:
                async for first, chunks, _ in await journal.follow(self.run_id, after=len(seen) - 1):
                    assert not chunks or first == len(seen)
                    seen += chunks
                    batches += 1
                    if batches == leaves_after:
                        break
                else:
                    return seen
            except LogCut:
                continue
            except NotInJournal:
                if self.saved > len(seen):
                    seen = self.written[: self.saved]
                await asyncio.sleep(0.005)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(st.binary(max_size=5), max_size=4)),
        st.tuples(st.just("read"), st.tuples(st.integers(0, 1), st.integers(-1, 30), st.none() | st.integers(1, 3))),
        st.tuples(st.just("trim"), st.integers(0, 100)),
        st.tuples(st.just("repeat"), st.none()),
        st.tuples(st.just("expire"), st.none()),
        st.tuples(st.just("pause"), st.sampled_from([0.0, 0.002, 0.015])),
    ),
    max_size=25,
)


async def _play(story: Story, steps: list[tuple[str, object]], journals: list[Journal], redis: Redis | None) -> None:
    writer = journals[0]
    writer.open(story.run_id)
    reading: list[asyncio.Task[list[bytes]]] = []
    for step, argument in steps:
        match step, argument:
            case "append", list(batch):
                story.written += batch
                assert writer.append(story.run_id, batch) == len(story.written)
            case "read", (side, after, leaves_after) if after < len(story.written):
                journal = journals[side % len(journals)]
                reading.append(asyncio.create_task(story.read(journal, after, leaves_after)))
            case "trim", percent:
                story.saved = max(story.saved, len(story.written) * percent // 100)
                writer.trim(story.run_id, story.saved)
            case "repeat", _ if isinstance(writer, SharedJournal):
                # An answer of Redis got lost: what it has is written once more.
                if copy := writer._mirror._copies.get(story.run_id):
                    copy.position = 0
                    writer._mirror.touch(story.run_id)
            case "expire", _ if redis is not None:
                story.saved = len(story.written)
                await redis.delete(wire.key_of(story.run_id))
            case "pause", float(seconds):
                await asyncio.sleep(seconds)
    writer.close(story.run_id)
    async with asyncio.timeout(_ENOUGH_S):
        for task in reading:
            assert await task == story.written


@settings(max_examples=60)
@given(STEPS)
def test_every_reader_in_one_process_sees_each_chunk_once_and_in_order(steps: list[tuple[str, object]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "MOST_CHUNKS", 3)
        asyncio.run(_play(Story(), steps, [MemoryJournal()], None))


@settings(max_examples=60)
@given(STEPS)
def test_every_reader_in_two_processes_sees_each_chunk_once_and_in_order(steps: list[tuple[str, object]]) -> None:
    async def story() -> None:
        async with AsyncExitStack() as stack:
            journals: list[Journal] = [await stack.enter_async_context(process(name)) for name in ("a", "b")]
            redis = await stack.enter_async_context(Redis.from_url(running_servers().valkey.address))
            await _play(Story(), steps, journals, redis)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "MOST_CHUNKS", 3)
        patch.setattr(windows_module, "LARGEST_WINDOW_BYTES", 12)
        asyncio.run(story())


async def read_from(journal: Journal, run_id: ObjectId, after: int = -1) -> list[bytes]:
    """All behind a position; the run's stream may be only on its way."""
    while True:
        try:
            return [chunk async for _, chunks, _ in await journal.follow(run_id, after=after) for chunk in chunks]
        except NotInJournal:
            await asyncio.sleep(0.005)


async def until(is_so: Callable[[], bool]) -> None:
    """Return when it is so."""
    async with asyncio.timeout(_ENOUGH_S):
        while not is_so():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.005)


async def test_many_readers_of_a_run_elsewhere_share_one_window_and_leave_nothing() -> None:
    async with process("a") as here, process("b") as there:
        run_id = ObjectId()
        here.open(run_id)
        here.append(run_id, [b"1"])
        readers = [asyncio.create_task(read_from(there, run_id)) for _ in range(20)]
        await until(lambda: sum(window.readers for window in there._windows._windows.values()) == 20)
        assert len(there._windows._windows) == 1
        assert len(there._reader._takers) == 1
        here.append(run_id, [b"2"])
        here.close(run_id)
        assert await asyncio.gather(*readers) == [[b"1", b"2"]] * 20
        assert not there._windows._windows
        assert not there._reader._takers


async def test_an_adopted_log_goes_on_where_its_worker_was_lost() -> None:
    async with process("a") as here, process("b") as there, process("c") as reading:
        run_id = ObjectId()
        here.open(run_id)
        here.append(run_id, [b"1", b"2", b"3"])
        reader = asyncio.create_task(read_from(reading, run_id))
        async for _, chunks, _ in await here.follow(run_id):
            assert chunks
            break
        await until(lambda: here._mirror._copies[run_id].position == 3)
        assert await there.adopt(run_id, position=1) == [b"2", b"3"]
        there.append(run_id, [b"the end"])
        there.close(run_id)
        assert await reader == [b"1", b"2", b"3", b"the end"]
        # What the lost worker still says, should it come back, is refused.
        here.append(run_id, [b"too late"])
        here.close(run_id)
        await here.aclose()
        assert await read_from(reading, run_id) == [b"1", b"2", b"3", b"the end"]


async def test_a_log_that_is_disowned_is_left_to_whoever_adopts_it() -> None:
    async with process("a") as here, process("b") as there:
        run_id = ObjectId()
        here.open(run_id)
        here.append(run_id, [b"1", b"2"])
        await until(lambda: here._mirror._copies[run_id].position == 2)
        here.disown(run_id)
        here.append(run_id, [b"nobody's"])
        here.close(run_id)
        await until(lambda: run_id not in here._mirror._copies)
        assert await there.adopt(run_id, position=0) == [b"1", b"2"]
        there.append(run_id, [b"the end"])
        there.close(run_id)
        assert await read_from(here, run_id) == [b"1", b"2", b"the end"]


async def test_the_streams_of_ended_runs_expire() -> None:
    async with process("a") as journal:
        run_id = ObjectId()
        journal.open(run_id)
        journal.append(run_id, [b"1"])
        await until(lambda: journal._mirror._copies[run_id].position == 1)
        assert 0 < await journal._redis.ttl(wire.key_of(run_id)) <= 900
        journal.close(run_id)
        await journal.aclose()
        assert 0 < await journal._redis.ttl(wire.key_of(run_id)) <= 300


async def test_a_finished_log_leaves_its_process_once_redis_has_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "RELEASED_KEPT_S", 0.0)
    async with process("a") as journal:
        run_id, unsaid = ObjectId(), ObjectId()
        journal.open(unsaid)
        del journal._mirror._copies[unsaid]  # its end does not reach Redis
        journal.append(unsaid, [b"1"])
        journal.close(unsaid)
        journal.open(run_id)
        journal.append(run_id, [b"1", b"2"])
        journal.close(run_id)
        await until(lambda: journal._local.log_of(run_id) is None)
        assert await read_from(journal, run_id) == [b"1", b"2"]
        assert journal._local.log_of(unsaid) is not None


async def test_an_entry_that_is_not_ours_does_not_end_the_reading_of_others() -> None:
    async with process("a") as here, process("b") as there:
        spoiled, other = ObjectId(), ObjectId()
        for run_id in (spoiled, other):
            here.open(run_id)
            here.append(run_id, [b"1"])
        readers = [asyncio.create_task(read_from(there, run_id)) for run_id in (spoiled, other)]
        await until(lambda: len(there._windows._windows) == 2)
        await there._redis.xadd(wire.key_of(spoiled), {wire.CHUNKS: b"\xc1 no chunks"}, id="9-0")
        await until(lambda: not there._reader.is_up)
        here.append(other, [b"2"])
        here.close(other)
        assert await readers[1] == [b"1", b"2"]
        await until(lambda: there._reader.is_up)
        await end_task(readers[0])
