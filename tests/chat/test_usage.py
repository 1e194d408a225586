"""What answers cost, as their owners are told, and that each is charged once whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from bson import ObjectId
from msgspec.structs import replace

from chat import store as chat_store
from chat import work
from chat.errors import Draining
from chat.reaper import Reaper
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of
from inference import store
from inference.billing.bill import all_settled
from inference.billing.current import forget_budgets
from inference.billing.types import Budget, Period, Unit
from inference.catalog import offering
from inference.errors import ModelFailed
from inference.providers.scripted import Scripted, saying
from inference.tokens import estimated_tokens
from inference.types import Finished, FinishReason, Price, Usage
from tests.chat.conftest import SCRIPTED, LanguageModel
from tests.people import PASSWORD, Person

PRICED = replace(SCRIPTED, id="dear/it", name="dear", provider="dear", price=Price(1_000_000, 2_000_000))
WHOLE = ["Fine", "!", Finished(FinishReason.STOP, Usage(10, 20, reported=True))]


async def ledger(owner: Person) -> list[dict[str, Any]]:
    """The owner's lines, in order of their ids."""
    await all_settled()
    found = await database().usage.find({}, sort=[("_id", 1)]).to_list()
    return (
        found if owner is None else [line for line in found if line["user_id"] == ObjectId(owner.tokens["user"]["id"])]
    )


async def until_shown(reader: Person, run_id: str, text: str) -> None:
    """Return when a reader has been shown the text."""
    shown = ""
    async with reader.events(f"/runs/{run_id}/stream") as events:
        async for _, chunk in events:
            shown += chunk.get("delta", "")
            if shown == text:
                return


@pytest_asyncio.fixture
async def budgets(db: None) -> AsyncIterator[Any]:
    """Makes budgets that hold at once."""

    async def make(**fields: Any) -> Budget:
        kept = {"id": ObjectId(), "name": "My month", "period": Period.MONTH, "unit": Unit.TOKENS, "limit": 100}
        budget = Budget(**{**kept, **fields})
        await database().budgets.insert_one(document_of(budget))
        await forget_budgets()
        return budget

    yield make
    await database().budgets.delete_many({})
    await forget_budgets()


@pytest.fixture
def dear() -> Any:
    with offering(PRICED, Scripted(WHOLE, name="dear")):
        yield


@pytest.mark.usefixtures("model", "dear")
async def test_an_answer_is_charged_and_its_message_run_and_reader_are_told(ann: Person) -> None:
    stream = await ann.chat(conversation := await ann.conversation(model="dear/it"), "Hi")
    told = {"inputTokens": 10, "outputTokens": 20, "reported": True, "costMicros": 50, "finishReason": "stop"}
    assert stream.metadata["usage"] == told
    answer = (await ann.messages(conversation))[-1]
    assert answer["usage"] == told
    assert (await ann.ok("GET", f"/runs/{answer['run_id']}"))["usage"] == told
    [line] = [line for line in await ledger(ann) if line["purpose"] == "answer"]
    assert line["_id"] == f"{answer['id']}:0:answer"
    assert (line["input_tokens"], line["output_tokens"], line["cost_micros"]) == (10, 20, 50)


async def test_a_stopped_answer_is_charged_what_was_written(ann: Person, model: LanguageModel) -> None:
    goes_on = asyncio.Event()
    model.script = ["So far so good", goes_on]
    run = await ann.ask(conversation := await ann.conversation(), "Hi")
    await until_shown(ann, run["id"], "So far so good")
    stopped = await ann.ok("POST", f"/runs/{run['id']}/stop")
    [line] = await ledger(ann)
    assert (line["output_tokens"], line["source"]) == (estimated_tokens("So far so good"), "estimated")
    assert line["outcome"] == "stopped"
    usage = {"inputTokens": line["input_tokens"], "outputTokens": line["output_tokens"], "reported": False}
    assert stopped["usage"] == usage
    assert (await ann.messages(conversation))[-1]["usage"] == usage


async def test_a_failure_before_the_first_word_is_not_charged(ann: Person, model: LanguageModel) -> None:
    model.script = [ModelFailed("it")]
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    assert await ledger(ann) == []


@pytest.mark.usefixtures("model")
async def test_a_completion_is_charged_as_one(ann: Person) -> None:
    key = await ann.ok(
        "POST", "/me/api-keys", 201, json={"current_password": PASSWORD, "name": "k", "scopes": ["chat"]}
    )
    body = {"model": SCRIPTED.id, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"Authorization": f"Bearer {key['secret']}"}
    answered = await ann.http.post(f"{ann.server}/v1/chat/completions", json=body, headers=headers)
    assert answered.status_code == 200
    assert [line["purpose"] for line in await ledger(ann)] == ["completion"]


@pytest.mark.usefixtures("model")
async def test_a_spent_budget_refuses_before_anything_is_written(ann: Person, budgets: Any) -> None:
    await budgets(limit=100)
    conversation = await ann.conversation()
    problem = await ann.ask(conversation, "Hi", 429)
    assert problem["code"] == "budget_spent"
    assert problem["budget"]["limit"] == 100
    assert problem["budget"]["needed"] > 100
    assert problem["retry_after_s"] > 0
    assert await ann.messages(conversation) == []
    # What is asked for less than is left may be answered.
    run = await ann.ask(conversation, "Hi", options={"max_output_tokens": 20})
    await ann.at_rest(run["id"])
    assert (await ann.messages(conversation))[-1]["status"] == "complete"


@pytest.mark.usefixtures("model")
async def test_tabs_at_once_do_not_spend_the_same_tokens(ann: Person, budgets: Any) -> None:
    await budgets(limit=100)
    conversations = [await ann.conversation() for _ in range(8)]
    body = {"parts": [{"type": "text", "text": "Hi"}], "options": {"max_output_tokens": 30}}
    asked = await asyncio.gather(*(ann.http.post(f"/conversations/{each}/runs", json=body) for each in conversations))
    held = [answer for answer in asked if answer.status_code == 202]
    refused = [answer.json()["code"] for answer in asked if answer.status_code == 429]
    assert 1 <= len(held) < 8
    assert refused == ["budget_spent"] * (8 - len(held))


async def test_a_request_that_is_sent_twice_at_once_does_not_lack_what_it_has_taken_itself(
    ann: Person, budgets: Any, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.script = [asyncio.Event()]
    await budgets(limit=60)
    body = {"options": {"max_output_tokens": 40}, "key": "once"}
    first = await ann.ask(conversation := await ann.conversation(), "Hi", **body)
    # The second came when the first was not written yet.
    find, unseen = chat_store.find_run_by_key, [None]

    async def too_early(owner: ObjectId, key: str) -> Any:
        return unseen.pop() if unseen else await find(owner, key)

    monkeypatch.setattr(chat_store, "find_run_by_key", too_early)
    other = await ann.conversation()
    await database().runs.update_one({"_id": ObjectId(first["id"])}, {"$set": {"conversation_id": ObjectId(other)}})
    again = await ann.ask(other, "Hi", **{**body, "key": "once"})
    assert again["id"] == first["id"]
    assert conversation != other


@pytest.mark.usefixtures("model")
async def test_a_completion_over_budget_is_refused_in_openais_words(ann: Person, budgets: Any) -> None:
    await budgets(limit=100)
    key = await ann.ok(
        "POST", "/me/api-keys", 201, json={"current_password": PASSWORD, "name": "k", "scopes": ["chat"]}
    )
    headers = {"Authorization": f"Bearer {key['secret']}"}
    for stream in (True, False):
        body = {"model": SCRIPTED.id, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        answered = await ann.http.post(f"{ann.server}/v1/chat/completions", json=body, headers=headers)
        assert (answered.status_code, answered.json()["error"]["code"]) == (429, "budget_spent")


@pytest.mark.usefixtures("model")
async def test_who_has_nearly_spent_it_is_told_with_the_answer(ann: Person, budgets: Any) -> None:
    await budgets(limit=100_000)
    first = await ann.chat(await ann.conversation(), "Hi")
    assert not any(chunk["type"] == "data-notice" for chunk in first.data)
    await all_settled()
    await database().budget_spending.update_many({}, {"$set": {"used": 80_000}})
    second = await ann.chat(await ann.conversation(), "Hi")
    [told] = [chunk["data"] for chunk in second.data if chunk["type"] == "data-notice"]
    assert told["code"] == "budget_warning"
    assert told["detail"].startswith("“My month”: 20,000 tokens of 100,000 tokens are left until ")


@pytest.mark.usefixtures("model")
async def test_files_of_a_question_over_budget_stay_unsent(ann: Person, budgets: Any) -> None:
    await budgets(limit=1)
    conversation = await ann.conversation()
    kept = await ann.attach(b"Some words in a file.")
    parts = [{"type": "text", "text": "Read it."}, {"type": "file", "id": kept["id"]}]
    assert (await ann.ok("POST", f"/conversations/{conversation}/runs", 429, json={"parts": parts}))["code"]
    stored = await database().attachments.find_one({"_id": ObjectId(kept["id"])})
    assert stored is not None
    assert stored["conversation_id"] is None
    assert stored["expires_at"] is not None


@pytest.mark.usefixtures("model")
async def test_a_question_with_files_that_cannot_begin_holds_nothing(
    ann: Person, budgets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await budgets(limit=100_000)
    conversation, kept = await ann.conversation(), await ann.attach(b"Some words in a file.")
    has_room, asked = work.require_room, []

    def full_at_last(owner: ObjectId) -> None:
        asked.append(owner)
        if len(asked) == 3:
            raise Draining(retry_after_s=5)
        has_room(owner)

    monkeypatch.setattr(work, "require_room", full_at_last)
    parts = [{"type": "text", "text": "Read it."}, {"type": "file", "id": kept["id"]}]
    await ann.ok("POST", f"/conversations/{conversation}/runs", 503, json={"parts": parts})
    await all_settled()
    [spending] = await database().budget_spending.find({}).to_list()
    assert (spending["used"], spending["holds"]) == (0, [])


async def test_what_was_held_is_given_back_when_nothing_was_written(
    ann: Person, budgets: Any, model: LanguageModel
) -> None:
    await budgets(limit=100_000)
    model.script = [ModelFailed("it")]
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    await all_settled()
    [spending] = await database().budget_spending.find({}).to_list()
    assert (spending["used"], spending["holds"]) == (0, [])


@pytest.mark.usefixtures("model")
async def test_a_run_is_not_at_rest_before_it_is_charged(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, goes_on, add = asyncio.Event(), asyncio.Event(), store.add_usage_line

    async def slowly(line: Any) -> bool:
        reached.set()
        await goes_on.wait()
        return await add(line)

    monkeypatch.setattr(store, "add_usage_line", slowly)
    run = await ann.ask(await ann.conversation(), "Hi")
    await reached.wait()
    answering = work.at_work(ObjectId(run["id"]))
    assert answering is not None
    assert answering.finished is not None
    done, _ = await asyncio.wait([answering.finished], timeout=0.1)
    assert not done
    stored = await database().runs.find_one({"_id": ObjectId(run["id"])})
    assert stored is not None
    assert stored["active"]
    goes_on.set()
    await ann.at_rest(run["id"])
    assert [line["purpose"] for line in await ledger(ann)] == ["answer"]


@pytest.mark.usefixtures("model", "dear")
async def test_usage_is_told_by_day_and_model_with_what_budgets_have_left(
    ann: Person, bob: Person, budgets: Any
) -> None:
    await budgets(limit=1_000_000)
    await budgets(name="Other's", user_id=ObjectId(bob.tokens["user"]["id"]))
    await ann.chat(await ann.conversation(model="dear/it"), "Hi")
    await all_settled()
    told = await ann.ok("GET", "/me/usage", params={"days": 3})
    today = f"{now():%Y-%m-%d}"
    assert [day["day"] for day in told["days"]] == [f"{now() - timedelta(days=ago):%Y-%m-%d}" for ago in (2, 1, 0)]
    assert (told["since"], told["until"], told["currency"]) == (told["days"][0]["day"], today, "USD")
    assert told["days"][0] == {
        "day": told["since"],
        "calls": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_micros": 0,
        "models": [],
    }
    mine = next(model for model in told["days"][-1]["models"] if model["model"] == "dear/it")
    assert (mine["calls"], mine["input_tokens"], mine["output_tokens"], mine["cost_micros"]) == (1, 10, 20, 50)
    [budget] = told["budgets"]
    assert (budget["name"], budget["limit"], budget["unit"], budget["model"]) == ("My month", 1_000_000, "tokens", None)
    assert budget["used"] >= 30
    assert budget["remaining"] == budget["limit"] - budget["used"] - budget["held"]
    assert budget["resets_at"].endswith("Z")
    assert (await bob.ok("GET", "/me/usage"))["total"]["calls"] == 0
    assert len((await bob.ok("GET", "/me/usage"))["days"]) == 30


@pytest.mark.parametrize("days", ["0", "367", "-1", "many", "1e3", ""])
async def test_a_report_of_no_days_is_refused(ann: Person, days: str) -> None:
    await ann.ok("GET", "/me/usage", 422, params={"days": days})


@pytest.mark.usefixtures("model")
async def test_a_model_of_a_group_is_its_members_alone(ann: Person, bob: Person) -> None:
    group = ObjectId()
    await database().users_groups.insert_one({"user_id": ObjectId(ann.tokens["user"]["id"]), "group_id": group})
    theirs = replace(PRICED, id="team/it", name="team", provider="team", groups=(group,))
    with offering(theirs, Scripted(saying("x"), name="team")):
        assert "team/it" in [model["id"] for model in (await ann.ok("GET", "/models"))["items"]]
        assert "team/it" not in [model["id"] for model in (await bob.ok("GET", "/models"))["items"]]
        await ann.ask(await ann.conversation(), "Hi", model="team/it")
        problem = await bob.ask(await bob.conversation(), "Hi", 422, model="team/it")
        assert problem["code"] == "model_not_offered"


async def test_a_run_whose_worker_died_is_charged_once_for_what_was_shown(ann: Person, model: LanguageModel) -> None:
    model.script = ["So far so good", asyncio.Event()]
    run = await ann.ask(conversation := await ann.conversation(), "Hi")
    await until_shown(ann, run["id"], "So far so good")
    answering = work.at_work(ObjectId(run["id"]))
    assert answering is not None
    await answering._keep_progress()
    await database().runs.update_one({"_id": answering.run.id}, {"$set": {"lease_expires_at": now() - timedelta(1)}})
    await Reaper(work.journal(), {}).reap()
    [line] = await ledger(ann)
    assert (line["outcome"], line["output_tokens"]) == ("lost", estimated_tokens("So far so good"))
    message = (await ann.messages(conversation))[-1]
    assert message["usage"] == {
        "inputTokens": line["input_tokens"],
        "outputTokens": line["output_tokens"],
        "reported": False,
    }
    await answering.interrupt()  # the worker was only slow, and would have charged it too
    assert await ledger(ann) == [line]
    assert (await chat_store.find_message(answering.run.user_id, ObjectId(message["id"]))).calls == 1  # type: ignore[union-attr]
