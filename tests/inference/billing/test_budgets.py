"""Which budgets an answer is paid from, and that what is held and used of them is right whoever comes at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from inference import store
from inference.billing.budgets import amount_of, budgets_for, span_of, untouched
from inference.billing.types import Budget, BudgetSpending, Period, Unit
from inference.types import Price, Usage

USER, OTHER, GROUP = ObjectId(), ObjectId(), ObjectId()
NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)
LATER = datetime(2126, 1, 1, tzinfo=UTC)


def budget(**fields: Any) -> Budget:
    kept = {"id": ObjectId(), "name": "It", "period": Period.MONTH, "unit": Unit.TOKENS, "limit": 100}
    return Budget(**{**kept, **fields})


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1 < moment.year < 9990), st.sampled_from(Period))
def test_a_moment_is_in_its_period_and_the_next_begins_where_it_ends(moment: datetime, period: Period) -> None:
    span = span_of(period, moment)
    assert span.starts_at <= moment < span.resets_at
    assert span_of(period, span.resets_at).starts_at == span.resets_at
    assert span_of(period, span.resets_at - timedelta(microseconds=1)) == span


def test_periods_are_of_utc_wherever_the_moment_was_told() -> None:
    from datetime import timezone

    evening = datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert span_of(Period.DAY, evening).starts_at == datetime(2027, 1, 1, tzinfo=UTC)
    assert span_of(Period.MONTH, NOON).resets_at == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "is_for"),
    [
        ({}, {"user", "other"}),
        ({"enabled": False}, set()),
        ({"user_id": USER}, {"user"}),
        ({"group_id": GROUP}, {"user"}),
        ({"model": "a/b"}, {"user", "other"}),
        ({"model": "a/c"}, set()),
        ({"group_id": GROUP, "model": "a/c"}, set()),
    ],
)
def test_whom_a_budget_is_for(fields: dict[str, Any], is_for: set[str]) -> None:
    people = {"user": (USER, frozenset({GROUP})), "other": (OTHER, frozenset())}
    one = budget(**fields)
    assert {name for name, (user, groups) in people.items() if budgets_for([one], user, groups, "a/b")} == is_for


def test_a_shared_budget_is_one_and_another_is_each_persons_own() -> None:
    shared, own = budget(shared=True), budget()
    assert untouched(shared, USER, NOON).id == untouched(shared, OTHER, NOON).id
    assert untouched(own, USER, NOON).id != untouched(own, OTHER, NOON).id
    assert untouched(own, USER, NOON).id != untouched(own, USER, NOON + timedelta(days=1)).id


def test_money_for_tokens_without_a_price_is_nothing() -> None:
    usage = Usage(10, 5)
    assert amount_of(usage, None, Unit.TOKENS) == 15
    assert amount_of(usage, None, Unit.MONEY) == 0
    assert amount_of(usage, Price(1_000_000, 2_000_000), Unit.MONEY) == 20


# On a real database

on_mongod = pytest.mark.django_db(transaction=True)


async def held(one: Budget, key: str, amount: int, *, user: ObjectId = USER) -> BudgetSpending:
    return await store.hold(untouched(one, user, NOON), limit=one.limit, key=key, amount=amount, until=LATER)


async def state_of(one: Budget) -> BudgetSpending:
    [spending] = await store.spending_of([untouched(one, USER, NOON).id])
    return spending


@on_mongod
async def test_calls_of_one_moment_never_hold_more_than_there_is() -> None:
    one = budget(limit=100)
    told = await asyncio.gather(*(held(one, f"call {number}", 7) for number in range(40)))
    with_room = [number for number, spending in enumerate(told) if spending.holds_for(f"call {number}")]
    spending = await state_of(one)
    assert len(with_room) == 14 == len(spending.holds)
    assert spending.held == 98
    await asyncio.gather(*(store.settle(spending.id, key=f"call {number}", amount=3) for number in range(40)))
    spending = await state_of(one)
    assert (spending.used, spending.holds, spending.next_end_at) == (42, [], None)


@on_mongod
async def test_a_call_is_held_once_and_settled_once() -> None:
    one = budget()
    for _ in range(2):
        spending = await held(one, "a", 60)
        assert (spending.used, spending.held, spending.next_end_at) == (0, 60, LATER)
    assert await store.settle(spending.id, key="a", amount=10)
    assert not await store.settle(spending.id, key="a", amount=10)
    assert (await state_of(one)).used == 10


@on_mongod
async def test_what_is_used_leaves_less_and_what_was_too_much_may_go_over() -> None:
    one = budget(limit=100)
    spending = await held(one, "a", 100)
    assert not (await held(one, "b", 1)).holds_for("b")
    await store.settle(spending.id, key="a", amount=120)  # it took more than it was thought to
    after = await held(one, "c", 1)
    assert (after.used, after.holds_for("c")) == (120, False)


@on_mongod
async def test_people_do_not_spend_from_each_others_budget_but_from_a_shared_one() -> None:
    own, shared = budget(limit=10), budget(limit=10, shared=True)
    assert (await held(own, "a", 10)).holds_for("a")
    assert (await held(own, "b", 10, user=OTHER)).holds_for("b")
    assert (await held(shared, "a", 10)).holds_for("a")
    assert not (await held(shared, "b", 10, user=OTHER)).holds_for("b")
