"""One queue for several processes: real ones that are killed and frozen, and a Redis that goes away."""

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE
from asyncio.subprocess import Process as Child
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import pytest_asyncio
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from eloquent.embedded.valkey import Valkey
from eloquent.foundation.config import get_config
from eloquent.foundation.logs import request_id_var
from eloquent.foundation.tasks import end_task
from inference.admission.bell import Bell
from inference.admission.limits import Limit
from inference.admission.line import PRIORITIES, Line, Ticket
from inference.admission.queue import LEASE_S, RENEWED_EVERY_S
from inference.admission.shared import ADMITTED, FULL
from inference.billing.types import Purpose
from tests.inference.admission.callers import Caller, Process, held, until_held

Made: TypeAlias = Callable[..., Process]
Start: TypeAlias = Callable[[str], "asyncio.Future[Child]"]
SHORT = {"lease_s": 1.0, "renewed_every_s": 0.2}
# Nobody is lost: a worker that stands still must not be taken for it.
LONG = {"lease_s": 60.0, "renewed_every_s": 5.0}


@pytest.fixture
def url() -> str:
    return get_config().redis_url.get_secret_value()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("[", "-").replace("]", "")


async def test_the_bell_is_listened_for_in_nobodys_name(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whose: asyncio.Queue[str | None] = asyncio.Queue()

    async def listen(_bell: Bell) -> None:
        whose.put_nowait(request_id_var.get())

    monkeypatch.setattr(Bell, "_listen", listen)
    token = request_id_var.set("the-first-one")
    bell = Bell(url, {})
    request_id_var.reset(token)
    async with asyncio.timeout(10):
        assert await whose.get() is None
    await bell.aclose()


@pytest_asyncio.fixture
async def process(url: str, name: str) -> AsyncIterator[Made]:
    made: list[Process] = []

    def make(slots: int, waiting: int = 100, *, at: str = url, **times: float) -> Process:
        made.append(Process(at, name, Limit(slots, waiting), **times))
        return made[-1]

    yield make
    for one in made:
        await one.aclose()


@pytest_asyncio.fixture
async def start(url: str, name: str) -> AsyncIterator[Start]:
    children: list[Child] = []

    async def started(what: str, slots: int = 1) -> Child:
        times = LONG if what == "storm" else SHORT
        words = [url, name, str(slots), str(times["lease_s"]), str(times["renewed_every_s"]), what]
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.inference.admission.worker", *words, stdout=PIPE
        )
        children.append(child)
        return child

    yield started
    for child in children:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def said(child: Child) -> str:
    async with asyncio.timeout(30):
        return (await child.stdout.readline()).decode().strip()


def test_the_place_of_a_dead_worker_is_free_within_fifteen_seconds() -> None:
    assert LEASE_S + RENEWED_EVERY_S <= 15


@pytest.mark.parametrize("seed", range(20))
async def test_redis_keeps_the_order_that_the_pure_line_keeps(process: Made, seed: int) -> None:
    dice = random.Random(seed)
    shared, line = process(2, 6).line, Line()
    known: list[Ticket] = []
    for number in range(60):
        left: list[Ticket] = []
        calls: dict[str, str] = {ticket.key: "waiting" for ticket in known if ticket not in line.admitted}
        expected = {ticket.key for ticket in line.admitted}
        if known and dice.random() < 0.5:
            left = [known.pop(dice.randrange(len(known)))]
            line.leave(left[0])
            calls.pop(left[0].key, None)
            expected.discard(left[0].key)
        while len(line.admitted) < 2 and (first := line.first()):
            line.admit(first)
        refused = None
        if dice.random() < 0.7:
            new = Ticket(dice.choice(list(PRIORITIES.values())), dice.choice("abc"), str(number))
            calls[new.key] = "new"
            if line.waiting >= 6:
                refused = new
            else:
                known.append(new)
                line.join(new)
                while len(line.admitted) < 2 and (first := line.first()):
                    line.admit(first)
        answer = await shared.ask(left=[ticket.key for ticket in left], calls=calls)
        positions = {ticket.key: position for position, ticket in enumerate(line.order(), 1)}
        wanted = {key: positions.get(key, ADMITTED) for key in calls}
        if refused is not None:
            wanted[refused.key] = FULL
        assert answer.states == wanted
        assert set(answer.admitted) == {ticket.key for ticket in line.admitted} - expected
        assert answer.is_full == (line.waiting >= 6)
    await shared.ask(left=[ticket.key for ticket in known], calls={})


async def test_what_one_process_gives_back_another_gets_and_is_told_so_at_once(process: Made) -> None:
    here, there = process(1, renewed_every_s=60, lease_s=120), process(1, renewed_every_s=60, lease_s=120)
    first = await Caller(here.queue, "a").admitted()
    second = Caller(there.queue, "b")
    await second.told_of(1)
    third = Caller(here.queue, "c")
    await third.told_of(2)
    first.leave()
    await second.admitted()
    second.leave()
    await third.admitted()


async def test_two_processes_never_ask_a_server_for_more_than_its_slots(start: Start, url: str, name: str) -> None:
    children = [await start("storm", 3) for _ in range(2)]
    most = [int(await said(child)) for child in children]
    assert max(most) == 3
    for child in children:
        assert await child.wait() == 0


async def test_after_a_storm_redis_holds_nothing(start: Start, process: Made, name: str) -> None:
    children = [await start("storm", 3) for _ in range(2)]
    for child in children:
        await said(child)
        assert await child.wait() == 0
    assert await held(process(1).redis, name) == (0, 0)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_the_places_of_a_lost_worker_come_back(
    start: Start, process: Made, name: str, end: signal.Signals
) -> None:
    child = await start("hold")
    assert await said(child) == "held"
    here = process(1, **SHORT)
    mine = Caller(here.queue, "a")
    await mine.told_of(2)
    os.kill(child.pid, end)
    await mine.admitted()
    assert await held(here.redis, name) == (1, 0)
    if end is signal.SIGKILL:
        return
    # Thawed, it is at work all the same, and its other call is at the end of the line.
    os.kill(child.pid, signal.SIGCONT)
    await until_held(here.redis, name, 2, 1)
    other = Caller(here.queue, "a")
    await other.told_of(2)
    mine.leave()
    os.kill(child.pid, signal.SIGKILL)
    await other.admitted()
    assert await held(here.redis, name) == (1, 0)


async def test_a_lost_workers_place_in_the_line_is_nobodys_before_its_turn_comes(process: Made) -> None:
    here, there = (process(1, **SHORT) for _ in range(2))
    await Caller(here.queue, "a").admitted()
    await Caller(there.queue, "b").told_of(1)
    mine = Caller(here.queue, "c")
    await mine.told_of(2)
    await end_task(there.queue._keeper)
    await mine.told_of(1)


async def test_a_turn_that_was_heard_of_too_late_is_not_taken(process: Made) -> None:
    here, there = process(1, lease_s=60, renewed_every_s=30), process(1, lease_s=60, renewed_every_s=30)
    first = await Caller(there.queue, "a").admitted()
    mine = Caller(here.queue, "b")
    await mine.told_of(1)
    here.queue._renewed_at -= 50  # as if this process had been frozen meanwhile
    here.queue.ring([mine.place.ticket.key])
    assert mine.place.admitted_at is None
    first.leave()
    await mine.admitted()


async def test_an_empty_redis_is_told_again_what_there_is(process: Made, name: str) -> None:
    here = process(1, lease_s=60, renewed_every_s=30)
    first = await Caller(here.queue, "a").admitted()
    second = Caller(here.queue, "b")
    await second.told_of(1)
    await here.redis.delete(*here.line._keys)
    third = Caller(here.queue, "c")
    await third.told_of(2)
    assert await held(here.redis, name) == (1, 2)
    first.leave()
    await second.admitted()
    assert not third.is_admitted


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "valkey")
    server.start()
    yield server
    server.kill()


async def test_while_redis_is_away_a_process_keeps_its_own_limit_and_says_so_once(
    valkey: Valkey, process: Made, name: str
) -> None:
    here, there = (process(2, 5, at=valkey.address, **SHORT) for _ in range(2))
    mine = [await Caller(here.queue, user).admitted() for user in "ab"]
    waiting = [Caller(here.queue, user) for user in "cde"]
    await waiting[-1].told_of(3)
    other = Caller(there.queue, "z")
    await other.told_of(4)
    with capture_logs() as logs:
        await asyncio.to_thread(valkey.kill)
        # There nothing is at work, so what waits there goes on.
        await other.admitted()
        mine[0].leave()
        await waiting[0].admitted()
        assert (here.queue.at_work, here.queue.waiting) == (2, 2)
        late = await Caller(there.queue, "y").admitted()
        assert there.queue.at_work == 2
        await asyncio.to_thread(valkey.start)
        # All that is at work counts again, so nobody follows before there is room in both together.
        await until_held(here.redis, name, 4, 2)
        while here.queue._alone or there.queue._alone:  # noqa: ASYNC110  (what Redis said is on its way here)
            await asyncio.sleep(0)
        mine[1].leave()
        waiting[0].leave()
        await until_held(here.redis, name, 2, 2)
        other.leave()
        await waiting[1].admitted()
        assert await held(here.redis, name) == (2, 1)
        late.leave()
        await waiting[2].admitted()
    told = [entry for entry in logs if "keeps a queue of its own" in entry["event"]]
    assert [entry["log_level"] for entry in told] == ["warning"] * 2  # of each process
    assert len([entry for entry in logs if "shared again" in entry["event"]]) == 2


async def test_a_redis_that_hangs_holds_nobody_up_for_long(process: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    here, asked, often = process(1, 0), 0, asyncio.Event()

    async def hang(**_: object) -> None:
        nonlocal asked
        asked += 1
        if asked > 8:
            often.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("inference.admission.queue._ANSWER_S", 0.02)
    monkeypatch.setattr("inference.admission.queue._ASKED_AGAIN_AFTER_S", 0.01)
    monkeypatch.setattr(here.line, "ask", hang)
    assert not await here.queue.is_full()
    with capture_logs() as logs:
        mine = await Caller(here.queue, "a").admitted()
        assert await here.queue.is_full()
        await often.wait()
    assert len([entry for entry in logs if "keeps a queue of its own" in entry["event"]]) == 1
    mine.leave()


async def test_one_answer_that_is_lost_is_no_loss_of_redis(process: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    here = process(1)
    ask, asked = here.line.ask, 0

    async def lossy(**how: object) -> object:
        nonlocal asked
        asked += 1
        answer = await ask(**how)
        if asked == 1:
            raise RedisAway
        return answer

    monkeypatch.setattr(here.line, "ask", lossy)
    await Caller(here.queue, "a", Purpose.TITLE).admitted()
    assert not here.queue._alone
