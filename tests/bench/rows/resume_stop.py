"""Row: coming back to a run, and stopping it, from the process that makes the answer and from another.

Two processes of the product share a mongod and a Redis. Each answer is begun at the first. A reader leaves in the
middle and comes back behind an event that it has missed the successors of; from the request to the first byte of the
stream counts. Or the run is stopped; from the request to the moment when the language model sees its connection closed
counts. Both are asked of the first process, and of the second.

Two ways of being at once, as for first tokens. *Evenly*: some answers are on the way all the time, and readers come
back one by one, which the targets are about. *One instant*: all are begun, and so read again, in the same moment.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from bson import ObjectId
from httptools import HttpParserError

from tests.bench.answers import text_of
from tests.bench.charts import Bars, Series
from tests.bench.crowds import Asked
from tests.bench.findings import Finding, Target, percentiles, shown
from tests.bench.plans import http_request
from tests.bench.product import SignedIn
from tests.bench.reader import Event, EventStream, RefusedStreamError, opened
from tests.bench.rows.scale import RowScale
from tests.bench.stage import Stage, StreamLog, say

NAME = "resume-stop"
RESUME_P95_MS, STOP_P95_MS = 30.0, 250.0
AT_ONCE = 16
USERS = 4
LEAVES_AFTER_CHUNKS = 12
MISSES_CHUNKS = 4
PATIENCE_S = 20.0
PROCESSES = ("same process", "another process")
ARRIVALS = ("evenly", "one instant")
WAYS = [(process, arrival) for process in PROCESSES for arrival in ARRIVALS]


@dataclass(slots=True)
class _Job:
    """One run: who asks in which conversation, the answer that it gets, and its number at the language model."""

    user: SignedIn
    conversation: ObjectId
    asked: Asked


@dataclass(slots=True)
class _Times:
    """Milliseconds of one way."""

    resume: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    stop_replied: list[float] = field(default_factory=list)
    asked_to_stop: dict[int, float] = field(default_factory=dict)


class WrongStreamError(Exception):
    """What a reader got is not what the run wrote; the text says how."""


def measure(stage: Stage, scale: RowScale) -> Finding:
    """Resume and stop, from either process."""
    finding = Finding(NAME, "Resume and stop, across processes")
    by_way = {way: _Times() for way in WAYS}
    with (
        stage.product("worker-1", with_redis=True) as first,
        stage.product("worker-2", with_redis=True) as second,
    ):
        users = stage.users(first.port, USERS)
        for way, times in by_way.items():
            process, arrival = way
            say(f"{NAME}: {process}, {arrival}")
            other = dict(zip(PROCESSES, (first, second), strict=True))[process]
            gap_s = scale.brisk.lasts_s / AT_ONCE if arrival == "evenly" else 0.0
            jobs = _jobs(stage, scale, users, first.port, scale.resumes)
            wrong = asyncio.run(_all(jobs, partial(_resume, times, first.port, other.port), gap_s))
            wrong += stage.not_saved()
            jobs = _jobs(stage, scale, users, first.port, scale.stops)
            wrong += asyncio.run(_all(jobs, partial(_stop, times, first.port, other.port), gap_s))
            wrong += _not_stopped(stage, jobs)
            wrong += _add_stops(times, jobs, stage.log())
            finding.errors += [f"{process}, {arrival}: {sentence}" for sentence in wrong]
    _tell(finding, scale, by_way)
    return finding


def _jobs(stage: Stage, scale: RowScale, users: Sequence[SignedIn], port: int, count: int) -> list[_Job]:
    fresh = [stage.conversations(user, port, -(-count // len(users))) for user in users]
    jobs = []
    for number in range(count):
        user, conversation = users[number % len(users)], fresh[number % len(users)].pop()
        jobs.append(_Job(user, conversation, stage.asked_of_product(user, conversation, scale.brisk)))
    return jobs


async def _all(jobs: Sequence[_Job], do: Callable[[_Job], Awaitable[None]], gap_s: float) -> list[str]:
    """Do all, some at once, one each `gap_s` seconds or as soon as may be; a sentence for each that went wrong."""
    room = asyncio.Semaphore(AT_ONCE)
    wrong: list[str] = []

    async def one(number: int, job: _Job) -> None:
        await asyncio.sleep(number * gap_s)
        async with room:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await do(job)
            except (OSError, TimeoutError, HttpParserError, RefusedStreamError, WrongStreamError) as error:
                wrong.append(f"stream {job.asked.stream}: {type(error).__name__}: {error}")

    await asyncio.gather(*(one(number, job) for number, job in enumerate(jobs)))
    return wrong


async def _resume(times: _Times, first_port: int, other_port: int, job: _Job) -> None:
    """Begin, leave in the middle, come back; all of the text must be there, and nothing of it twice."""
    stream = await opened(first_port, job.user.source, job.asked.request)
    before = await _read(stream, LEAVES_AFTER_CHUNKS)
    stream.leave()
    after = before[-1 - MISSES_CHUNKS].number
    request = job.user.stream_request(stream.run_id, after=after)
    back = await opened(other_port, job.user.source, request)
    rest = await _read(back)
    back.leave()
    events = [event for event in before if event.number <= after] + rest
    if not back.done or [event.number for event in events] != list(range(len(events))):
        raise WrongStreamError(f"events are missing or come twice: {[event.number for event in events]}")
    if text_of_events(events) != text_of(job.asked.answer, job.asked.tokens):
        raise WrongStreamError("the text is not that of the answer")
    assert back.first_at is not None
    times.resume.append((back.first_at - back.sent_at) * 1000)


async def _stop(times: _Times, first_port: int, other_port: int, job: _Job) -> None:
    """Begin, stop in the middle, and read to the end, which must say so."""
    stream = await opened(first_port, job.user.source, job.asked.request)
    events = await _read(stream, LEAVES_AFTER_CHUNKS)
    path = f"/api/v1/runs/{stream.run_id}/stop"
    request = http_request("POST", path, other_port, headers=job.user.signed)
    stopping = await opened(other_port, job.user.source, request)
    times.asked_to_stop[job.asked.stream] = stopping.sent_at
    head = await stopping.reader.readline()
    times.stop_replied.append((time.perf_counter() - stopping.sent_at) * 1000)
    stopping.leave()
    events += await _read(stream)
    stream.leave()
    if b" 200 " not in head:
        raise WrongStreamError(f"the stop was answered with {head!r}")
    text = text_of_events(events)
    if not stream.done or not text or not text_of(job.asked.answer, job.asked.tokens).startswith(text):
        raise WrongStreamError("the stopped answer's text is not the beginning of the answer")
    if "abort" not in {event.chunk["type"] for event in events}:
        raise WrongStreamError("the reader was not told that the answer was stopped")


async def _read(stream: EventStream, deltas: int | None = None) -> list[Event]:
    """Events up to the end, or until so many have brought text."""
    found: list[Event] = []
    async with aclosing(stream.events()) as events:
        async for event in events:
            found.append(event)
            if deltas is not None:
                deltas -= event.chunk["type"] == "text-delta"
                if deltas <= 0:
                    return found
    if deltas is not None:
        raise WrongStreamError("the answer was over before its reader could leave")
    return found


def text_of_events(events: Sequence[Event]) -> str:
    """The text that they bring."""
    return "".join(str(event.chunk["delta"]) for event in events if event.chunk["type"] == "text-delta")


def _not_stopped(stage: Stage, jobs: Sequence[_Job]) -> list[str]:
    """A sentence for each answer that is not saved as stopped, with the beginning of its text."""
    stage.forget_given()
    wrong = []
    for job in jobs:
        saved = stage.database.messages.find_one({"conversation_id": job.conversation}, sort=[("_id", -1)])
        whole = text_of(job.asked.answer, job.asked.tokens)
        if saved["status"] != "stopped" or not saved["text"] or not whole.startswith(saved["text"]):
            wrong.append(f"stream {job.asked.stream}: the stopped answer is saved as {saved['status']}")
    return wrong


def _add_stops(times: _Times, jobs: Sequence[_Job], log: StreamLog) -> list[str]:
    """From the stop to the closed connection; a sentence for each model that was left writing."""
    wrong = []
    for job in jobs:
        asked_at, closed_at = (where.get(job.asked.stream) for where in (times.asked_to_stop, log.closed))
        if asked_at is not None and closed_at is not None:
            times.stop.append((closed_at - asked_at) * 1000)
        else:
            wrong.append(f"stream {job.asked.stream}: the language model was not stopped")
    return wrong


def _tell(finding: Finding, scale: RowScale, by_way: dict[tuple[str, str], _Times]) -> None:
    lines = [["", "asked of", "begun", "p50", "p95", "p99", "times"]]
    kinds = {
        "resume to first byte": [times.resume for times in by_way.values()],
        "stop to upstream closed": [times.stop for times in by_way.values()],
        "stop to its answer": [times.stop_replied for times in by_way.values()],
    }
    for what, values_by_way in kinds.items():
        for (process, arrival), values in zip(WAYS, values_by_way, strict=True):
            figures = percentiles(values, 0.5, 0.95, 0.99)
            lines.append([what, process, arrival, *(shown(value, "ms") for value in figures), str(len(values))])
            named = dict(zip(("p50_ms", "p95_ms", "p99_ms"), figures, strict=True))
            finding.numbers.setdefault(what, {})[f"{process}, {arrival}"] = named | {"times": len(values)}
    finding.tables = [lines]
    across = by_way[PROCESSES[1], ARRIVALS[0]]
    resume, stop = percentiles(across.resume, 0.95)[0], percentiles(across.stop, 0.95)[0]
    finding.targets = [
        Target("resume to first byte at another process, p95", resume, RESUME_P95_MS, "ms"),
        Target("stop at another process to upstream closed, p95", stop, STOP_P95_MS, "ms"),
    ]
    finding.sentence = (
        f"At another process than the one that makes the answer, a reader is back in {shown(resume)} ms and "
        f"the language model stopped in {shown(stop)} ms (p95)"
    )
    finding.notes = [
        (
            f"Two processes, one mongod, one Redis; {AT_ONCE} answers of {scale.brisk.tokens_per_s:g} tokens a "
            "second at once. Every answer is begun at the first process."
        ),
        (
            "Evenly (the targets' way): one is begun each "
            f"{scale.brisk.lasts_s / AT_ONCE * 1000:.0f} ms, so readers come back one by one. One instant: {AT_ONCE} "
            "are begun in the same moment and come to the same place in the same moment, so the last waits for the "
            "work of all before him."
        ),
        (
            f"A reader leaves in the middle and comes back with the `Last-Event-ID` of an event {MISSES_CHUNKS} "
            "before the last; the time is that from before the new connection is made to the first byte of the "
            "stream's body. Both parts together must be the whole text, each event once."
        ),
        (
            "A stop counts from before its connection is made to the moment when the language model sees its own "
            "closed. The reader must be told, and the text so far must be saved."
        ),
    ]
    measured = {what: values for what, values in kinds.items() if what != "stop to its answer"}
    p95 = [[percentiles(values[number], 0.95)[0] for values in measured.values()] for number in range(len(WAYS))]
    finding.charts = [
        Bars(
            NAME,
            finding.sentence,
            "95th percentile; dashed: targets, which are for another process",
            "milliseconds",
            list(measured),
            [Series(", ".join(way), values) for way, values in zip(WAYS, p95, strict=True)],
            [RESUME_P95_MS, STOP_P95_MS],
        )
    ]
