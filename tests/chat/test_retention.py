"""Conversations that nobody goes on with are deleted when their time is over: whose, when, and never by mistake."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from django.contrib.auth.models import Group
from django.core.files.storage import storages
from django.core.management import call_command

from accounts.models import User
from chat import store
from chat.models import RetentionRule
from chat.retention import sweeping
from chat.retention.rules import Retention
from chat.types import Conversation
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from eloquent.foundation.ids import UserId
from tests.chat.conftest import LanguageModel
from tests.chat.test_imports import BRANCHED
from tests.chat.test_imports_api import imported
from tests.people import Person

A, B, C = (ObjectId() for _ in range(3))


class Killed(BaseException):
    """As by SIGKILL: nothing behind it is done."""


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets RETENTION_DAYS."""

    def keep(many: int) -> None:
        config = get_config().model_copy(update={"retention_days": many})
        monkeypatch.setattr(sweeping, "get_config", lambda: config)

    return keep


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Awaitable[int | None]]:
    """Sweeps now; the tests' own server does not."""
    sweep = sweeping.sweep_if_due

    async def nothing() -> None:
        return

    monkeypatch.setattr(sweeping, "sweep_if_due", nothing)

    async def now_due() -> int | None:
        await database()["retention_sweeps"].update_many({}, {"$set": {"next_at": now(), "lease_expires_at": now()}})
        return await sweep()

    return now_due


def id_of(person: Person) -> UserId:
    return ObjectId(person.tokens["user"]["id"])


async def talk(person: Person, *, old: int, **fields: Any) -> str:
    """A conversation with a question, an answer and a file, that nobody went on with for so many days."""
    conversation = await person.conversation()
    file = await person.attach(b"Of tea.", "tea.txt")
    parts = [{"type": "text", "text": "Tea?"}, {"type": "file", "id": file["id"]}]
    run = await person.ok("POST", f"/conversations/{conversation}/runs", 202, json={"parts": parts})
    await person.at_rest(run["id"])
    await grow_old(conversation, old, **fields)
    return conversation


async def grow_old(conversation: str, days: int, **fields: Any) -> None:
    at = now() - timedelta(days=days)
    changes = {"$set": {"updated_at": at, **fields}}
    await database()["conversations"].update_one({"_id": ObjectId(conversation)}, changes)


async def left(person: Person) -> tuple[set[str], int, int, int, int]:
    """The person's conversations; and how many messages, runs, attachments and files there are."""
    owner = id_of(person)
    found = [str(each["_id"]) async for each in database()["conversations"].find({"user_id": owner})]
    counts = [
        await database()[name].count_documents({"user_id": owner}) for name in ("messages", "runs", "attachments")
    ]
    try:
        files = len(storages["attachments"].listdir(str(owner))[1])
    except FileNotFoundError:
        files = 0
    return set(found), counts[0], counts[1], counts[2], files


def rule(days: int, *people: Person) -> Any:
    """A rule of a new group with these people."""

    def make() -> None:
        group = Group.objects.create(name=str(ObjectId()))
        RetentionRule.objects.create(group=group, days=days)
        for person in people:
            User.objects.get(pk=id_of(person)).groups.add(group)

    return sync_to_async(make)()


@pytest.mark.parametrize(
    ("setting", "rules", "groups", "kept"),
    [
        (0, {}, {A}, 0),
        (30, {}, {A}, 30),
        (30, {A: 7}, {B}, 30),
        (30, {A: 7}, {A}, 7),
        (30, {A: 90}, {A, B}, 90),
        (30, {A: 7, B: 60, C: 90}, {A, B}, 60),
        (30, {A: 7, B: 0}, {A, B}, 0),
        (0, {A: 7}, {B}, 0),
        (0, {A: 7}, {A}, 7),
    ],
)
def test_the_longest_rule_of_ones_groups_comes_before_the_setting(
    setting: int, rules: dict[ObjectId, int], groups: set[ObjectId], kept: int
) -> None:
    assert Retention(setting, rules).days_for(frozenset(groups)) == kept


async def test_what_was_imported_is_kept_from_the_day_on_which_it_came(
    ann: Person, model: LanguageModel, days: Any, swept: Any
) -> None:
    days(30)
    talks = [{**BRANCHED, "conversation_id": name} for name in ("came-today", "came-long-ago")]
    assert (await imported(ann, orjson.dumps(talks)))["status"] == "complete"
    collection = database()["conversations"]
    today, long_ago = [each async for each in collection.find({"user_id": id_of(ann)})]
    assert today["updated_at"] < now() - timedelta(days=365)
    at = now() - timedelta(days=31)
    await collection.update_one({"_id": long_ago["_id"]}, {"$set": {"imported_at": at}})
    assert await swept() == 1
    assert (await left(ann))[0] == {str(today["_id"])}


async def test_what_is_over_goes_with_all_that_hangs_on_it_and_nothing_else(
    ann: Person, bob: Person, model: LanguageModel, days: Any, swept: Any
) -> None:
    days(30)
    old = [await talk(ann, old=31), await talk(ann, old=31, pinned=True), await talk(ann, old=400, archived=True)]
    young, theirs = await talk(ann, old=29), await talk(bob, old=31)
    await rule(90, bob)
    await rule(7, bob)
    async with ann.device() as device:
        assert await swept() == 3
        gone = {(await device.frame())["conversation_id"] for _ in old}
    assert gone == set(old)
    assert await left(ann) == ({young}, 2, 1, 1, 1)
    assert await left(bob) == ({theirs}, 2, 1, 1, 1)
    await grow_old(theirs, 91)
    assert await swept() == 1
    assert await left(bob) == (set(), 0, 0, 0, 0)
    entries = await database()["audit"].find({"action": "operator.retention_swept"}).sort("number", 1).to_list()
    assert [entry["facts"] for entry in entries] == ['{"conversations":3}', '{"conversations":1}']


async def test_without_a_setting_and_a_rule_nothing_is_even_looked_at(
    ann: Person, model: LanguageModel, days: Any, swept: Any
) -> None:
    days(0)
    await talk(ann, old=4000)
    assert await swept() is None
    assert (await left(ann))[1] == 2
    assert await database()["retention_sweeps"].count_documents({}) == 0


async def test_a_sweep_is_due_once_an_hour_and_one_at_a_time(ann: Person, days: Any, swept: Any) -> None:
    days(1)
    sweep = sweeping.sweep_if_due  # the fixture has replaced it
    assert await sweep() is None
    assert await swept() == 0
    [record] = await database()["retention_sweeps"].find({}).to_list()
    assert record["next_at"] > now() + timedelta(minutes=59)
    await database()["retention_sweeps"].update_one(
        {}, {"$set": {"next_at": now(), "lease_expires_at": now() + timedelta(minutes=1), "worker": "another"}}
    )
    claimed = await store.claim_sweep(
        store.RetentionSweep(worker="me", lease_expires_at=now(), next_at=now()), at=now()
    )
    assert claimed is None, "another is at it"


async def test_one_that_somebody_goes_on_with_in_that_moment_stays_whole(
    ann: Person, model: LanguageModel, days: Any, swept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    days(30)
    touched, other = await talk(ann, old=40), await talk(ann, old=39)
    delete = store.delete_untouched

    async def touch(conversation: Conversation) -> bool:
        if str(conversation.id) == touched:
            run = await ann.ask(touched, "And now?")
            await ann.at_rest(run["id"])
        return await delete(conversation)

    monkeypatch.setattr(store, "delete_untouched", touch)
    assert await swept() == 1
    assert await left(ann) == ({touched}, 4, 2, 1, 1)
    assert other not in (await left(ann))[0]
    assert [message["role"] for message in await ann.messages(touched)] == ["user", "assistant"] * 2


async def test_one_with_an_answer_at_work_is_left_alone(
    ann: Person, model: LanguageModel, days: Any, swept: Any
) -> None:
    days(30)
    busy = await talk(ann, old=40)
    go_on = asyncio.Event()
    model.steps = [["So far", go_on, *model.script]]
    run = await ann.ask(busy, "Go on")
    await grow_old(busy, 40)  # as if its answer had been at work for all that time
    assert await swept() == 0
    go_on.set()
    assert (await ann.at_rest(run["id"]))["status"] == "complete"
    await grow_old(busy, 40)
    assert await swept() == 1


@pytest.mark.parametrize("where", ["delete_untouched", "_delete_below"])
async def test_a_worker_that_is_lost_leaves_nothing_out_of_reach(
    ann: Person, model: LanguageModel, days: Any, swept: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    days(30)
    for old in (43, 42, 41):
        await talk(ann, old=old)
    room: Any = store if where == "delete_untouched" else sweeping
    call, times = getattr(room, where), 0

    async def deadly(*arguments: Any) -> Any:
        nonlocal times
        times += 1
        if times == 2 and where == "_delete_below":
            raise Killed  # the conversation is gone, what is below it is not
        result = await call(*arguments)
        if times == 2:
            raise Killed
        return result

    with monkeypatch.context() as killed:
        killed.setattr(room, where, deadly)
        killed.setattr(sweeping._Sweep, "_give_back", _nothing)
        with pytest.raises(Killed):
            await swept()
    conversations, messages, *_ = await left(ann)
    assert (len(conversations), messages) == (1, 4), "messages that nobody can reach, for as long as the lease"
    assert await swept() == 3, "what its worker had deleted and could not count, what it had left, and the last"
    assert await left(ann) == (set(), 0, 0, 0, 0)


async def _nothing(_: Any) -> None:
    return


async def test_files_that_cannot_be_deleted_now_are_deleted_later(
    ann: Person, model: LanguageModel, days: Any, swept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    days(30)
    await talk(ann, old=41)
    with monkeypatch.context() as away:

        def refuse(*_: Any) -> None:
            raise OSError("away")

        away.setattr(storages["attachments"], "delete", refuse)
        with pytest.raises(sweeping.StorageAway):
            await swept()
    assert (await left(ann))[3:] == (1, 1)
    assert await swept() == 1
    assert await left(ann) == (set(), 0, 0, 0, 0)


async def test_the_preview_tells_what_would_go_and_deletes_nothing(
    ann: Person, bob: Person, model: LanguageModel, days: Any, swept: Any
) -> None:
    days(30)
    await talk(ann, old=41)
    await talk(ann, old=29)
    await talk(bob, old=41)
    await rule(0, bob)
    said = io.StringIO()
    await sync_to_async(call_command)("retention", "preview", stdout=said)
    assert "30 days" in said.getvalue()
    assert "1 conversation of 1 user would be deleted" in said.getvalue()
    assert len((await left(ann))[0]) == 2
