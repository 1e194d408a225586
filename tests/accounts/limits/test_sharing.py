"""Counts of several processes, brought together through Redis: here several gates, each as one process has it."""

import asyncio

import pytest

from accounts.limits import counting, reaching, sharing
from accounts.limits.counting import REFUSED, Counter
from accounts.limits.policies import Policy
from accounts.limits.sharing import Sharing
from eloquent.foundation.redis import redis_client
from tests.accounts.test_throttle import redis_that

pytestmark = pytest.mark.django_db
AT = 1_800_000_030.0


class Process:
    """The counter and the sharing of one process."""

    def __init__(self, amount: int = 10) -> None:
        self.sharing = Sharing()
        self.counter = Counter(Policy("test", amount, 60), self.sharing.note)

    def take(self, many: int = 1, *, at: float = AT, who: str = "me") -> int:
        """How many of so many are let in."""
        return sum(self.counter.take(who, at) != REFUSED for _ in range(many))


@pytest.fixture(autouse=True)
def _by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is exchanged until a test says so."""
    monkeypatch.setattr(sharing, "EVERY_S", 3600)


async def test_what_one_process_let_in_another_does_not() -> None:
    one, another = Process(), Process()
    assert one.take(7) == 7
    assert another.take(1) == 1, "not yet heard of: let in, within the bound"
    await one.sharing.exchange()
    await another.sharing.exchange()
    assert another.take(10) == 2
    await another.sharing.exchange()
    assert one.take(1) == 1, "it heard of 7 when it told"
    await one.sharing.exchange()
    assert one.take(10) == 0


async def test_each_process_alone_lets_in_no_more_than_the_amount() -> None:
    processes = [Process() for _ in range(3)]
    assert [process.take(50) for process in processes] == [10, 10, 10]
    for process in processes:
        await process.sharing.exchange()
    for process in processes:
        assert process.take(50) == 0
        assert process.take(50, at=AT + 31) == 0, "the last window is known, too"


async def test_a_new_process_takes_over_what_one_that_ended_has_counted() -> None:
    old = Process()
    assert old.take(9) == 9
    await old.sharing.close()
    new = Process()
    assert new.take(1) == 1
    await new.sharing.exchange()
    assert new.take(5) == 0


async def test_what_was_counted_in_the_window_before_is_heard_of() -> None:
    one, another = Process(), Process()
    assert one.take(10) == 10
    await one.sharing.exchange()
    assert another.take(1, at=AT + 30) == 1
    await another.sharing.exchange()
    assert another.take(1, at=AT + 30) == 0
    assert another.take(10, at=AT + 60) == 4


async def test_many_callers_are_told_of_in_a_few_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MOST_TOGETHER", 40)
    one, another = Process(), Process()
    assert sum(one.take(9, who=str(number)) for number in range(100)) == 900
    await one.sharing.exchange()
    assert sum(another.take(1, who=str(number)) for number in range(100)) == 100
    await another.sharing.exchange()
    assert sum(another.take(1, who=str(number)) for number in range(100)) == 0
    client = redis_client()
    assert client is not None
    keys = [key async for key in client.scan_iter("{eloquent:limits}:*")]
    assert len(keys) == 100
    assert all([0 < await client.ttl(key) <= 120 for key in keys])


@pytest.mark.parametrize("behaves", ["refuses", "hangs"])
async def test_while_redis_is_away_each_counts_for_itself_and_tells_it_later(
    behaves: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, another = Process(), Process()
    assert one.take(3) == 3
    await one.sharing.exchange()
    async with redis_that(behaves) as away:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reaching, "redis_client", lambda: away)
            patch.setattr(reaching, "ANSWER_S", 0.3)
            assert one.take(2) == 2
            async with asyncio.timeout(5):
                await one.sharing.exchange()
            assert one.take(2) == 2
            await one.sharing.exchange()  # it is left alone for a while: kept, and told later
    monkeypatch.setattr(reaching._Redis, "ask_again_at", 0.0)
    await one.sharing.exchange()
    assert one.take(5) == 3
    await one.sharing.exchange()
    assert another.take(1) == 1
    await another.sharing.exchange()
    assert another.take(9) == 1, "but for the two that were told to nobody, all is known"


async def test_while_redis_is_away_strangers_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (counting, sharing):
        monkeypatch.setattr(module, "MOST", 1000)
    monkeypatch.setattr(reaching._Redis, "ask_again_at", float("inf"))
    one = Process()
    for number in range(3000):
        one.take(1, who=f"2001:db8:{number:x}::/64")
    assert len(one.counter) <= 1000
    assert len(one.sharing) <= 1000, "what the counter has forgotten is not kept to be told"
    monkeypatch.setattr(reaching._Redis, "ask_again_at", 0.0)
    one.take(9)
    await one.sharing.exchange()
    assert len(one.sharing) == 0
    another = Process()
    another.take(1)
    await another.sharing.exchange()
    assert another.take(5) == 0, "the latest are told"


async def test_when_redis_comes_back_empty_nobody_begins_anew() -> None:
    one, another = Process(), Process()
    assert (one.take(4), another.take(4)) == (4, 4)
    for process in (one, another, one):
        await process.sharing.exchange()
    client = redis_client()
    assert client is not None
    await client.flushdb()
    assert another.take(1) == 1
    await another.sharing.exchange()
    assert another.take(5) == 1


async def test_the_exchange_comes_by_itself_and_rests_when_there_is_nothing_to_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sharing, "EVERY_S", 0.01)
    one, another = Process(), Process()
    one.take(9)
    another.take(1)
    async with asyncio.timeout(5):
        while another.counter._windows["me"].others < 9:
            await asyncio.sleep(0.01)
            another.counter._windows["me"].is_noted = False
            another.counter._changed(another.counter._windows["me"])
    async with asyncio.timeout(5):
        while one.sharing._timer is not None or one.sharing._noted:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert another.take(1) == 0
    # What is with Redis at this moment ends here, and not with the loop.
    for process in (one, another):
        await process.sharing.close()
