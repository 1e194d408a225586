"""What each ending of a call costs, and what becomes of what was held for it."""

import asyncio
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.errors import Unavailable
from eloquent.foundation.telemetry import metrics
from inference import store
from inference.admission import queues
from inference.admission.limits import Limit
from inference.admission.turn import Turn
from inference.billing import bill as bills
from inference.billing.bill import Bill, Call, charge_lost
from inference.billing.budgets import untouched
from inference.billing.current import forget_budgets
from inference.billing.errors import BudgetSpent
from inference.billing.overdue import give_back_overdue
from inference.billing.types import Budget, BudgetSpending, Outcome, Purpose, Source, Unit, UsageLine
from inference.breaker import FAILURES_TO_OPEN
from inference.errors import ModelBusy, ModelFailed, ModelUnreachable
from inference.offers import OfferedModel
from inference.providers.scripted import Step, saying
from inference.router import answer
from inference.timeouts import Timeouts
from inference.tokens import estimated_tokens
from inference.types import (
    Finished,
    FinishReason,
    GenerationOptions,
    Price,
    PromptMessage,
    PromptRequest,
    Status,
    TextDelta,
    Tool,
    ToolCall,
    Usage,
)
from tests.inference.billing.conftest import Desk, Offers
from tests.inference.rigs import collected

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = PromptRequest("", (PromptMessage("user", "How are you?"),), GenerationOptions(max_output_tokens=50))
READ = estimated_tokens("How are you?")
WHOLE: list[Step] = ["Fine", ".", Finished(FinishReason.STOP, Usage(12, 34, reported=True, cached_input_tokens=2))]
COST = (10 * 3_000_000 + 2 * 3_000_000 + 34 * 15_000_000) // 1_000_000


def a_bill(purpose: Purpose = Purpose.ANSWER) -> Bill:
    return Bill(ObjectId(), ObjectId(), purpose)


async def asked(model: OfferedModel, bill: Bill, *, stop_after: int | None = None) -> list[UsageLine]:
    """Ask, read to the end or only so many events, and return the lines that the ledger has of the bill."""
    async with aclosing(answer(model, ASKED, bill=bill)) as events:
        if stop_after is None:
            await collected(events)
        else:
            for _ in range(stop_after):
                await anext(events)
    bill.close()
    await bill.settled()
    return await ledger(bill)


async def ledger(bill: Bill) -> list[UsageLine]:
    found = await database().usage.find({"run_id": bill.run_id}, sort=[("step", 1)]).to_list()
    return await store.usage_lines([line["_id"] for line in found])


async def spending(budget: Budget, bill: Bill) -> BudgetSpending:
    fresh = untouched(budget, bill.user_id, now())
    return next(iter(await store.spending_of([fresh.id])), fresh)


async def test_a_whole_answer_is_one_line_with_the_servers_numbers(desk: Desk, offers: Offers) -> None:
    bill = a_bill()
    [line] = await asked(offers.add("one", WHOLE), bill)
    assert (line.input_tokens, line.cached_input_tokens, line.output_tokens) == (12, 2, 34)
    assert (line.cost_micros, line.source, line.outcome) == (COST, Source.REPORTED, Outcome.COMPLETE)
    assert (line.user_id, line.model, line.purpose, line.step) == (bill.user_id, "one/it", Purpose.ANSWER, 0)
    assert [told.id for told in bill.lines] == [line.id]


async def test_what_the_server_does_not_say_is_estimated_and_said_to_be(desk: Desk, offers: Offers) -> None:
    script: list[Step] = ["Fine, thanks", Finished(FinishReason.STOP, Usage(output_tokens=7))]
    [line] = await asked(offers.add("one", script), a_bill())
    assert (line.input_tokens, line.output_tokens, line.source) == (READ, 7, Source.ESTIMATED)


async def test_a_model_without_a_price_costs_nothing_that_is_known(desk: Desk, offers: Offers) -> None:
    budget = await desk.budget(unit=Unit.MONEY, limit=1)
    bill = a_bill()
    [line] = await asked(offers.add("one", WHOLE, price=None), bill)
    assert line.cost_micros is None
    assert (await spending(budget, bill)).used == 0


@pytest.mark.parametrize(
    ("script", "stop_after", "written", "outcome"),
    [
        (["So far ", "so good", ModelFailed("it")], None, "So far so good", Outcome.FAILED),
        (["So far ", "so good"], None, "So far so good", Outcome.FAILED),
        (["So far ", "so good", *saying("x")], 1, "So far ", Outcome.STOPPED),
        ([ToolCall("1", "add", '{"a": 1}'), ModelFailed("it")], None, 'add{"a": 1}', Outcome.FAILED),
    ],
    ids=["broken", "cut off", "stopped", "broken behind a tool"],
)
async def test_half_an_answer_costs_what_was_read_and_written(
    desk: Desk, offers: Offers, script: list[Step], stop_after: int | None, written: str, outcome: Outcome
) -> None:
    budget = await desk.budget()
    bill = a_bill()
    [line] = await asked(offers.add("one", script), bill, stop_after=stop_after)
    assert (line.input_tokens, line.output_tokens) == (READ, estimated_tokens(written))
    assert (line.source, line.outcome) == (Source.ESTIMATED, outcome)
    state = await spending(budget, bill)
    assert (state.used, state.holds) == (line.tokens, [])


@pytest.mark.parametrize("error", [ModelBusy("it"), ModelUnreachable("it"), ModelFailed("it")])
async def test_what_was_refused_costs_nothing_and_the_next_attempt_takes_its_place(
    desk: Desk, offers: Offers, error: Any
) -> None:
    budget = await desk.budget()
    bill = a_bill()
    [line] = await asked(offers.add("one", [error], [error], WHOLE), bill)
    assert (line.step, line.outcome) == (0, Outcome.COMPLETE)
    assert (await spending(budget, bill)).used == 46
    nothing = a_bill()
    assert await asked(offers.add("two", [error]), nothing) == []
    state = await spending(budget, nothing)
    assert (state.used, state.holds) == (0, [])


async def test_silence_costs_what_was_read_and_a_load_nothing(desk: Desk, offers: Offers) -> None:
    quick = Timeouts(first_token_s=0.01, idle_s=60, total_s=60)
    [line] = await asked(offers.add("one", [asyncio.Event()], timeouts=quick), a_bill())
    assert (line.input_tokens, line.output_tokens, line.outcome) == (READ, 0, Outcome.FAILED)
    loading = [Status("loading", 1.0), asyncio.Event()]
    assert await asked(offers.add("two", loading), a_bill(), stop_after=1) == []


async def test_one_who_leaves_before_the_first_word_pays_what_was_read(desk: Desk, offers: Offers) -> None:
    model, bill = offers.add("one", [asyncio.Event()]), a_bill()
    asking = asyncio.ensure_future(asked(model, bill))
    await asyncio.sleep(0.05)
    asking.cancel()
    await asyncio.wait({asking})
    await bill.settled()
    [line] = await ledger(bill)
    assert (line.input_tokens, line.output_tokens, line.outcome) == (READ, 0, Outcome.STOPPED)


async def test_one_who_leaves_while_waiting_for_a_slot_pays_nothing_and_gets_back_what_was_held(
    desk: Desk, offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "limit_of", {"one": Limit(1, 5)}.get)
    budget = await desk.budget()
    model, bill = offers.add("one", WHOLE), a_bill()
    queue = queues.queue_of("one")
    assert queue is not None
    async for _ in Turn([queue], "somebody", Purpose.ANSWER).until_admitted(model="it", within_s=60):
        pass
    assert await asked(model, bill, stop_after=1) == []
    state = await spending(budget, bill)
    assert (state.used, state.holds, queue.waiting) == (0, [], 0)
    await queues.close_queues()


async def test_a_spent_budget_does_not_keep_a_server_that_has_rested_from_being_asked(
    desk: Desk, offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.breaker.FIRST_REST_S", 0.0)
    await desk.budget(limit=READ + 50)
    model, rich = offers.add("one", *[[ModelFailed("it")]] * FAILURES_TO_OPEN, WHOLE), a_bill()
    for _ in range(FAILURES_TO_OPEN):
        await collected(answer(model, ASKED))
    poor = PromptRequest("", ASKED.messages, GenerationOptions(max_output_tokens=4000))
    _, error = await collected(answer(model, poor, bill=a_bill()))
    assert isinstance(error, BudgetSpent)
    assert len(await asked(model, rich)) == 1


async def test_a_fallback_after_the_first_word_is_a_second_line(desk: Desk, offers: Offers) -> None:
    budget = await desk.budget()
    offers.add("two", WHOLE)
    bill = a_bill()
    lines = await asked(offers.add("one", ["So ", ModelFailed("it")], fallbacks=("two/it",)), bill)
    assert [(line.step, line.model, line.outcome) for line in lines] == [
        (0, "one/it", Outcome.FAILED),
        (1, "two/it", Outcome.COMPLETE),
    ]
    assert (await spending(budget, bill)).used == sum(line.tokens for line in lines)


async def test_a_spent_budget_refuses_with_what_is_left_and_when_it_begins_anew(desk: Desk, offers: Offers) -> None:
    budget = await desk.budget(name="My month", limit=READ + 50 + 46)
    model, user = offers.add("one", WHOLE), ObjectId()
    await asked(model, Bill(user, ObjectId(), Purpose.ANSWER))
    await asked(model, second := Bill(user, ObjectId(), Purpose.ANSWER))
    assert await ledger(second) != []
    third = Bill(user, ObjectId(), Purpose.ANSWER)
    _, error = await collected(answer(model, ASKED, bill=third))
    assert isinstance(error, BudgetSpent)
    told = error.extra["budget"]
    left = budget.limit - 92
    assert (told["used"], told["held"], told["needed"], told["limit"]) == (92, 0, READ + 50, budget.limit)
    assert f"“My month” has {left} tokens of {budget.limit} tokens left for this month" in error.detail
    assert told["resets_at"] == f"{(await spending(budget, third)).resets_at:%Y-%m-%dT%H:%M:%SZ}"
    assert (await ledger(third), (await spending(budget, third)).holds) == ([], [])


async def test_of_several_budgets_the_tightest_refuses_and_the_others_get_back_what_they_held(
    desk: Desk, offers: Offers
) -> None:
    wide, tight = await desk.budget(name="A"), await desk.budget(name="B", limit=10)
    bill = a_bill()
    _, error = await collected(answer(offers.add("one", WHOLE), ASKED, bill=bill))
    assert isinstance(error, BudgetSpent)
    bill.close()
    await bill.settled()
    for budget in (wide, tight):
        state = await spending(budget, bill)
        assert (state.used, state.holds) == (0, [])


async def test_a_budget_of_money_counts_money_and_one_of_a_model_that_model_alone(desk: Desk, offers: Offers) -> None:
    money, other = await desk.budget(unit=Unit.MONEY), await desk.budget(model="two/it")
    bill = a_bill()
    await asked(offers.add("one", WHOLE), bill)
    assert (await spending(money, bill)).used == COST
    assert (await spending(other, bill)).used == 0


async def test_a_budget_of_a_group_is_for_its_members(desk: Desk, offers: Offers) -> None:
    group = ObjectId()
    await desk.budget(group_id=group, limit=1)
    model, member, stranger = offers.add("one", WHOLE), a_bill(), a_bill()
    desk.groups[member.user_id] = frozenset({group})
    _, error = await collected(answer(model, ASKED, bill=member))
    assert isinstance(error, BudgetSpent)
    assert await asked(model, stranger) != []


async def test_from_four_fifths_on_the_user_is_warned(desk: Desk, offers: Offers) -> None:
    await desk.budget(name="My month", limit=200)
    model, user = offers.add("one", ["x", Finished(FinishReason.STOP, Usage(80, 40, reported=True))]), ObjectId()
    first, second = (Bill(user, ObjectId(), Purpose.ANSWER) for _ in range(2))
    await asked(model, first)
    assert first.warnings == []
    await database().budget_spending.update_many({}, {"$set": {"used": 160}})
    with pytest.raises(BudgetSpent):
        await second.reserve(model, ASKED)
    await database().budgets.update_many({}, {"$set": {"limit": 300}})
    await database().budget_spending.update_many({}, {"$set": {"used": 240}})
    await forget_budgets()
    await second.reserve(model, PromptRequest("", ASKED.messages, GenerationOptions(max_output_tokens=5)))
    [warning] = second.warnings
    assert "“My month”: 60 tokens of 300 tokens are left until" in warning
    second.close()
    await second.settled()


async def test_a_lost_worker_is_charged_for_once_whoever_comes_first(desk: Desk, offers: Offers) -> None:
    budget = await desk.budget()
    model, bill = offers.add("one", WHOLE), a_bill()
    await bill.reserve(model, ASKED)  # and its worker dies
    call = Call(model, ASKED, Usage(input_tokens=9), ["So far"], Outcome.LOST)
    counted = metrics.cost_micros.value
    for _ in range(2):
        await charge_lost(Bill(bill.user_id, bill.run_id, Purpose.ANSWER), call)
    [line] = await ledger(bill)
    assert (line.input_tokens, line.output_tokens, line.outcome) == (9, estimated_tokens("So far"), Outcome.LOST)
    state = await spending(budget, bill)
    assert (state.used, state.holds) == (line.tokens, [])
    bill.ended(Call(model, ASKED, Usage(12, 34, reported=True), [], Outcome.COMPLETE))  # it was only slow
    await bill.settled()
    assert await ledger(bill) == [line]
    assert (await spending(budget, bill)).used == line.tokens
    assert line.cost_micros
    assert metrics.cost_micros.value == counted + line.cost_micros, "what operators see is the ledger's sum"


@pytest.mark.parametrize("has_line", [True, False])
async def test_a_hold_that_was_forgotten_is_given_back_by_what_the_ledger_says(
    desk: Desk, offers: Offers, monkeypatch: pytest.MonkeyPatch, has_line: bool
) -> None:
    budget = await desk.budget()
    model, bill = offers.add("one", WHOLE), a_bill()
    monkeypatch.setattr(bills, "HELD_BEYOND", timedelta(days=-1))
    await bill.reserve(model, ASKED)
    if has_line:
        other = Bill(bill.user_id, bill.run_id, Purpose.ANSWER)
        other.ended(Call(model, ASKED, Usage(12, 34, reported=True), [], Outcome.COMPLETE), held=[])
        await other.settled()
    await give_back_overdue()
    state = await spending(budget, bill)
    assert (state.used, state.holds, state.next_end_at) == (46 if has_line else 0, [], None)


async def test_a_forgotten_hold_of_a_model_is_not_charged_for_the_one_that_stepped_in(
    desk: Desk, offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = await desk.budget(model="one/it")
    bill = a_bill()
    monkeypatch.setattr(bills, "HELD_BEYOND", timedelta(days=-1))
    await bill.reserve(offers.add("one", WHOLE), ASKED)
    other = Bill(bill.user_id, bill.run_id, Purpose.ANSWER)
    instead = offers.add("two", WHOLE)
    other.ended(Call(instead, ASKED, Usage(12, 34, reported=True), [], Outcome.COMPLETE), held=[])
    await other.settled()
    await give_back_overdue()
    state = await spending(budget, bill)
    assert (state.used, state.holds) == (0, [])


async def test_a_fallback_is_held_at_its_own_price(desk: Desk, offers: Offers) -> None:
    budget = await desk.budget(unit=Unit.MONEY, limit=10**9)
    dear = Price(input_micros=0, output_micros=100_000_000)
    offers.add("two", ["So ", asyncio.Event()], price=dear)
    bill = a_bill()
    model = offers.add("one", [ModelFailed("it")], fallbacks=("two/it",))
    async with aclosing(answer(model, ASKED, bill=bill)) as events:
        while not isinstance(await anext(events), TextDelta):
            pass
        assert (await spending(budget, bill)).held == 50 * 100
    bill.close()
    await bill.settled()


async def test_a_hold_that_is_not_overdue_is_left_alone(
    desk: Desk, offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = await desk.budget()
    model, bill = offers.add("one", WHOLE), a_bill()
    await bill.reserve(model, ASKED)
    await give_back_overdue()
    assert len((await spending(budget, bill)).holds) == 1
    # Nor when another one of the same budget is.
    monkeypatch.setattr(bills, "HELD_BEYOND", timedelta(days=-1))
    await Bill(bill.user_id, ObjectId(), Purpose.ANSWER).reserve(model, ASKED)
    await give_back_overdue()
    assert [hold["key"] for hold in (await spending(budget, bill)).holds] == [f"{bill.run_id}:0:answer"]


async def test_a_line_waits_for_a_database_that_is_away(
    desk: Desk, offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = await desk.budget()
    monkeypatch.setattr(bills, "_RETRY_FIRST_S", 0.0)
    add, settle, failures = store.add_usage_line, store.settle, [AutoReconnect("away")] * 4

    def breaking(write: Any) -> Any:
        async def written(*args: Any, **options: Any) -> Any:
            result = await write(*args, **options)
            if failures:
                raise failures.pop()  # it was written, and nobody heard of it
            return result

        return written

    monkeypatch.setattr(store, "add_usage_line", breaking(add))
    monkeypatch.setattr(store, "settle", breaking(settle))
    bill = a_bill()
    [line] = await asked(offers.add("one", WHOLE), bill)
    assert not failures
    state = await spending(budget, bill)
    assert (state.used, state.holds, line.tokens) == (46, [], 46)


async def test_one_who_is_refused_holds_nothing_of_any_budget(desk: Desk, offers: Offers) -> None:
    shared = await desk.budget(name="A", shared=True)
    await desk.budget(name="B", limit=1)
    model, bill = offers.add("one", WHOLE), a_bill()
    with pytest.raises(BudgetSpent):
        await bill.reserve(model, ASKED)
    await bill.settled()
    assert (await spending(shared, bill)).holds == []


async def test_one_who_leaves_while_it_is_being_held_holds_nothing(
    desk: Desk, offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = await desk.budget()
    hold, reached, goes_on = store.hold, asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any, **options: Any) -> BudgetSpending:
        reached.set()
        await goes_on.wait()
        return await hold(*args, **options)

    monkeypatch.setattr(store, "hold", slowly)
    model, bill = offers.add("one", WHOLE), a_bill()
    reserving = asyncio.ensure_future(bill.reserve(model, ASKED))
    await reached.wait()
    reserving.cancel()
    await asyncio.wait({reserving})
    goes_on.set()
    await bill.settled()
    state = await spending(budget, bill)
    assert (state.used, state.holds) == (0, [])


async def test_tools_schemas_and_calls_are_part_of_what_is_held(desk: Desk, offers: Offers) -> None:
    budget = await desk.budget()
    tools = (Tool("t", "It does much. " * 50, {"type": "object"}),)
    schema = {"description": "Long words. " * 50}
    call = ToolCall("1", "t", '{"text": "' + "words " * 100 + '"}')
    messages = (*ASKED.messages, PromptMessage("assistant", "", tool_calls=(call,)))
    options = GenerationOptions(max_output_tokens=50, json_schema=schema)
    held = []
    for request in (
        ASKED,
        PromptRequest("", ASKED.messages, ASKED.options, tools=tools),
        PromptRequest("", ASKED.messages, options),
        PromptRequest("", messages, ASKED.options),
    ):
        bill = a_bill()
        await bill.reserve(offers.add("one", WHOLE), request)
        held.append((await spending(budget, bill)).held)
        bill.close()
        await bill.settled()
    assert all(more >= held[0] + 100 for more in held[1:])


@pytest.mark.parametrize("wrong", [10**30, -1000, 2**31])
async def test_impossible_numbers_of_a_server_are_not_believed(desk: Desk, offers: Offers, wrong: int) -> None:
    budget = await desk.budget()
    bill = a_bill()
    script: list[Step] = [
        "Fine",
        Finished(FinishReason.STOP, Usage(wrong, 3, reported=True, cached_input_tokens=wrong)),
    ]
    [line] = await asked(offers.add("one", script), bill)
    assert (line.input_tokens, line.cached_input_tokens, line.output_tokens) == (READ, 0, 3)
    assert line.source is Source.ESTIMATED
    state = await spending(budget, bill)
    assert (state.used, state.holds) == (line.tokens, [])


async def test_nobody_spends_before_budgets_were_read_once(
    desk: Desk, offers: Offers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.budget(limit=1)

    async def away() -> list[Budget]:
        raise AutoReconnect("away")

    monkeypatch.setattr(store, "budgets", away)
    await forget_budgets()
    with pytest.raises(Unavailable):
        await a_bill().reserve(offers.add("one", WHOLE), ASKED)


async def test_a_load_that_takes_too_long_is_not_charged(desk: Desk, offers: Offers) -> None:
    quick = Timeouts(first_token_s=0.05, idle_s=60, total_s=60)
    assert await asked(offers.add("one", [Status("loading", 0.0), asyncio.Event()], timeouts=quick), a_bill()) == []


async def test_words_before_a_status_are_charged(desk: Desk, offers: Offers) -> None:
    script: list[Step] = ["So far", Status("queued", 1.0), asyncio.Event()]
    [line] = await asked(offers.add("one", script), a_bill(), stop_after=2)
    assert line.output_tokens == estimated_tokens("So far")


async def test_without_a_bill_nothing_is_written(desk: Desk, offers: Offers) -> None:
    await desk.budget(limit=1)
    events, error = await collected(answer(offers.add("one", WHOLE), ASKED))
    assert error is None
    assert TextDelta("Fine") in events
    assert await database().usage.count_documents({}) == 0
