"""What may come in an erasure's way: lost workers, databases and storages that are away, and others that write on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from django.core import mail
from django.core.files.storage import storages
from pymongo.errors import AutoReconnect

import accounts.store
from accounts.errors import SignInTooOld
from accounts.mail.delivery import settle_mail
from accounts.models import User
from accounts.personal_data import asking, erasing
from accounts.personal_data.erasing import Erasing
from accounts.proving import FRESH
from accounts.store import Erasure
from chat import store as chat_store
from eloquent.foundation import leases, lifecycle, personal_data
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from eloquent.foundation.personal_data import NOBODY, PersonalStore, personal_stores
from tests.accounts.personal_data.conftest import (
    Someone,
    asked,
    erased,
    everything,
    files,
    holding,
    receipt_of,
    until,
)
from tests.chat.conftest import LanguageModel
from tests.people import PASSWORD, Person


class Killed(BaseException):
    """As by SIGKILL: nothing behind it is done."""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Awaitable[Erasing | None]]:
    """Nobody takes up an erasure but who calls this."""
    claim = erasing._claim

    async def nobody() -> None:
        return None

    monkeypatch.setattr(erasing, "_claim", nobody)

    async def taken() -> Erasing | None:
        claimed = await claim()
        return None if claimed is None else Erasing(claimed)

    return taken


async def free_lease() -> None:
    """The lost worker's lease is over."""
    await database()["erasures"].update_one({}, {"$set": {"lease_expires_at": now()}})


async def test_a_worker_may_be_lost_at_any_step_and_nothing_is_left_or_counted_twice(
    zora: Someone, alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed before and after every write to its own record, and behind each first batch of each place."""
    token = (await asked(zora))["receipt"]
    places = [place for place in personal_stores() if place.erase is not None]
    killed: list[str] = []

    def deadly(place: PersonalStore) -> Any:
        async def erase(owner: ObjectId) -> int:
            assert place.erase is not None
            many = await place.erase(owner)
            if many and place.name not in killed:
                killed.append(place.name)
                raise Killed
            return many

        return erase

    for place in places:
        monkeypatch.setitem(personal_data._stores, place.name, replace(place, erase=deadly(place)))
    for _ in range(3 * len(places)):
        work = await alone()
        assert work is not None
        try:
            await work.do()
        except Killed:
            await free_lease()
        if (await receipt_of(zora, token))["state"] == "complete":
            break
    receipt = await receipt_of(zora, token)
    assert receipt["state"] == "complete"
    assert {"messages", "conversations", "attachments", "sessions", "activity", "user"} <= set(killed)
    assert holding(await everything(), zora.mark) == []
    counts = {place["name"]: place["count"] for place in receipt["places"]}
    assert (counts["messages"], counts["conversations"], counts["user"]) == (6, 2, 1)
    assert await database()["audit"].count_documents({"action": "account.erased", "subject_id": zora.id}) == 1


async def test_what_a_run_writes_behind_the_jobs_back_goes_too(
    zora: Someone, alone: Any, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request was let in before: its question is written while the erasure is long past the messages."""
    reached, go_on = asyncio.Event(), asyncio.Event()
    add_run = chat_store.add_run

    async def late(*arguments: Any) -> None:
        reached.set()
        await go_on.wait()
        await add_run(*arguments)

    monkeypatch.setattr(chat_store, "add_run", late)
    parts = [{"type": "text", "text": f"Late words of {zora.mark}"}]
    asking_late = asyncio.create_task(
        zora.http.post(f"/conversations/{zora.conversation_id}/runs", json={"parts": parts})
    )
    await reached.wait()
    token = (await asked(zora))["receipt"]
    settle = Erasing._sweep

    async def race(self: Erasing, *arguments: Any) -> None:
        assert await database()["messages"].count_documents({"user_id": zora.id}) == 0
        go_on.set()
        await asking_late
        made = chat_store.documents
        at = now()
        # And as a conversation that was begun in that moment leaves it.
        stray = {"_id": ObjectId(), "conversation_id": ObjectId(), "user_id": zora.id, "text": zora.mark, "at": at}
        await database()[made.MESSAGES].insert_one(stray)
        await settle(self, *arguments)

    monkeypatch.setattr(Erasing, "_sweep", race)
    work = await alone()
    await work.do()
    receipt = await receipt_of(zora, token)
    assert receipt["state"] == "complete"
    assert holding(await everything(), zora.mark) == []
    counts = {place["name"]: place["count"] for place in receipt["places"]}
    assert counts["messages"] > 6, "what the sweep found is counted"


async def test_a_line_of_the_ledger_that_comes_after_the_end_loses_its_user_in_the_late_sweep(
    zora: Someone, alone: Any
) -> None:
    line = await database()["usage"].find_one({"user_id": zora.id})
    assert line is not None
    token = (await asked(zora))["receipt"]
    await (await alone()).do()
    late = {**line, "_id": "late", "user_id": zora.id}
    await database()["usage"].insert_one(late)
    assert await alone() is None, "an hour has not passed"
    before = await receipt_of(zora, token)
    await free_lease()
    await (await alone()).do()
    assert await database()["usage"].find_one({"_id": "late"}) == {**late, "user_id": NOBODY}
    [erasure] = await database()["erasures"].find({}).to_list()
    assert (erasure["active"], erasure["user_id"], erasure["sealed"]) == (False, None, "")
    assert await receipt_of(zora, token) == before
    assert await alone() is None


async def test_an_answer_that_is_being_written_is_stopped_at_once(
    zora: Someone, alone: Any, model: LanguageModel
) -> None:
    model.script = ["So far", asyncio.Event()]
    run = await zora.ask(zora.conversation_id, "Go on for ever")
    await until(lambda: _is_streaming(run["id"]))
    await asked(zora)
    stopped = await database()["runs"].find_one({"_id": ObjectId(run["id"])})
    assert stopped is not None
    assert (stopped["status"], stopped["active"]) == ("stopped", False)
    await (await alone()).do()
    assert await database()["runs"].count_documents({"user_id": zora.id}) == 0
    assert await database()["messages"].count_documents({"user_id": zora.id}) == 0


async def _is_streaming(run_id: str) -> bool:
    run = await database()["runs"].find_one({"_id": ObjectId(run_id)})
    return bool(run and run["active"])


async def test_two_workers_at_once_do_no_harm(zora: Someone, alone: Any) -> None:
    token = (await asked(zora))["receipt"]
    first = await alone()
    await free_lease()
    second = await alone()
    # The first was only late: it goes on for a while beside the second.
    await asyncio.gather(first.do(), second.do())
    assert (await receipt_of(zora, token))["state"] == "complete"
    assert holding(await everything(), zora.mark) == []


async def test_an_erasure_waits_for_the_storage_of_files(zora: Someone, alone: Any, monkeypatch: Any) -> None:
    token = (await asked(zora))["receipt"]
    with monkeypatch.context() as away:

        def refuse(*_: Any) -> None:
            raise OSError("away")

        away.setattr(storages["attachments"], "delete", refuse)
        await (await alone()).do()
    [erasure] = await database()["erasures"].find({}).to_list()
    assert (erasure["status"], erasure["step"], erasure["problem"]) == ("running", "attachments", "StorageAway")
    assert await database()["attachments"].count_documents({"user_id": zora.id}) == 2, "known of until they are gone"
    await free_lease()
    await (await alone()).do()
    assert (await receipt_of(zora, token))["state"] == "complete"
    assert [name for name in files() if str(zora.id) in name] == []


async def test_an_erasure_is_put_off_when_no_renewal_is_on_its_way(
    zora: Someone, alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that came later would make it look as if a worker were at it, for as long as a lease lasts."""
    keep = accounts.store.keep_erasure
    renewing, renews, put_off = 0, asyncio.Event(), asyncio.get_running_loop().create_future()

    async def watched(erasure: Erasure, **changes: Any) -> Erasure | None:
        nonlocal renewing
        if set(changes) != {"lease_expires_at"}:
            if "problem" in changes:
                put_off.set_result(renewing)
            return await keep(erasure, **changes)
        renewing += 1
        renews.set()
        try:
            await asyncio.shield(put_off)
        finally:
            renewing -= 1
        return await keep(erasure, **changes)

    async def refuse(*_: Any) -> int:
        await renews.wait()
        raise OSError("away")

    place = next(place for place in personal_stores() if place.name == "usage")
    monkeypatch.setitem(personal_data._stores, "usage", replace(place, erase=refuse))
    monkeypatch.setattr(accounts.store, "keep_erasure", watched)
    monkeypatch.setattr(leases, "RENEWED_EVERY_S", 0.05)
    await asked(zora)
    async with asyncio.timeout(20):
        await (await alone()).do()
    assert put_off.result() == 0


async def test_an_erasure_goes_on_when_the_database_is_back(zora: Someone, alone: Any, monkeypatch: Any) -> None:
    token = (await asked(zora))["receipt"]
    with monkeypatch.context() as away:

        async def refuse(*_: Any) -> int:
            raise AutoReconnect("away")

        place = next(place for place in personal_stores() if place.name == "usage")
        away.setitem(personal_data._stores, "usage", replace(place, erase=refuse))
        with pytest.raises(AutoReconnect):
            await (await alone()).do()
    await free_lease()
    await (await alone()).do()
    assert (await receipt_of(zora, token))["state"] == "complete"


async def test_private_parts_stay_until_the_record_says_who_was_erased(
    zora: Someone, alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asked(zora)

    async def lost(*_: Any, **__: Any) -> None:
        """As a recording that waits in memory for a database that is away."""

    with monkeypatch.context() as away:
        away.setattr(erasing, "record", lost)
        await (await alone()).do()
    entries = database()["audit"]
    assert await entries.count_documents({"subject_id": zora.id, "private": {"$ne": ""}}) > 0
    await free_lease()
    await (await alone()).do()
    assert await entries.count_documents({"subject_id": zora.id, "private": {"$ne": ""}}) == 0
    assert await entries.count_documents({"subject_id": zora.id, "action": "account.erased"}) == 1


async def test_a_process_that_is_sent_away_leaves_the_rest_to_another(zora: Someone, alone: Any) -> None:
    token = (await asked(zora))["receipt"]
    work = await alone()
    lifecycle.start_draining()
    try:
        await work.do()
    finally:
        lifecycle.open_for_work()
    again = await alone()
    assert again is not None, "it is given back at once"
    await again.do()
    assert (await receipt_of(zora, token))["state"] == "complete"


async def test_asked_twice_it_is_one_erasure(ann: Person, alone: Any) -> None:
    user = await accounts.store.user_by_id(ObjectId(ann.tokens["user"]["id"]))
    assert user is not None
    first, second = await asyncio.gather(asking.ask_for_erasure(user), asking.ask_for_erasure(user))
    assert first.erasure.id == second.erasure.id
    assert first.token == second.token
    assert await database()["erasures"].count_documents({}) == 1


async def test_the_last_letter_brings_the_receipt_and_nothing_else_knows_the_address(zora: Someone) -> None:
    token = (await asked(zora))["receipt"]
    await erased(zora, token)
    await settle_mail()
    [letter] = [each for each in mail.outbox if each.to == [zora.email] and "eras" in each.subject.lower()]
    assert letter.body.count(f"/account/erased#{token}") == 1
    assert holding(await everything(), zora.email) == []
    assert await database()["outgoing_mail"].count_documents({}) == 0


async def test_an_erasure_can_be_taken_back_by_its_letter_until_it_is_due(
    zora: Someone, alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = get_config().model_copy(update={"erasure_grace_days": 7})
    monkeypatch.setattr(asking, "get_config", lambda: waits)
    erasure = await asked(zora)
    await (await alone()).do()
    assert (await receipt_of(zora, erasure["receipt"]))["state"] == "waiting"
    credentials = {"email": zora.email, "password": PASSWORD}
    assert (await zora.http.post("/auth/login", json=credentials)).status_code == 401, "closed all the same"
    assert await alone() is None, "seven days have not passed"
    await settle_mail()
    [letter] = [each for each in mail.outbox if each.to == [zora.email] and "eras" in each.subject.lower()]
    cancel = letter.body.partition("/account/erasure-cancel#")[2].split()[0]
    await zora.ok("POST", "/auth/erasure/cancel", 404, json={"token": erasure["receipt"]})
    await zora.ok("POST", "/auth/erasure/cancel", 204, json={"token": cancel})
    assert (await receipt_of(zora, erasure["receipt"]))["state"] == "cancelled"
    assert (await zora.http.post("/auth/login", json=credentials)).status_code == 200
    await zora.ok("POST", "/auth/erasure/cancel", 404, json={"token": cancel})
    assert await alone() is None
    assert await database()["messages"].count_documents({"user_id": zora.id}) == 6
    assert await database()["audit"].count_documents({"action": "account.erasure_cancelled"}) == 1

    # And not when it has begun.
    zora.http.headers["Authorization"] = (
        f"Bearer {(await zora.http.post('/auth/login', json=credentials)).json()['access_token']}"
    )
    await asked(zora)
    await settle_mail()
    cancel = mail.outbox[-1].body.partition("/account/erasure-cancel#")[2].split()[0]
    await database()["erasures"].update_one({"active": True}, {"$set": {"due_at": now(), "lease_expires_at": now()}})
    await zora.ok("POST", "/auth/erasure/cancel", 404, json={"token": cancel})


@pytest.mark.parametrize("at_the_desk", [False, True])
async def test_an_erasure_that_is_taken_back_opens_no_account_that_staff_have_closed(
    ann: Person, alone: Any, monkeypatch: pytest.MonkeyPatch, at_the_desk: bool
) -> None:
    waits = get_config().model_copy(update={"erasure_grace_days": 7})
    monkeypatch.setattr(asking, "get_config", lambda: waits)
    await asked(ann)
    await settle_mail()
    cancel = mail.outbox[-1].body.partition("/account/erasure-cancel#")[2].split()[0]

    def ban() -> None:
        user = User.objects.get(email=ann.email)
        user.deactivated_by = "staff"
        user.save()

    await sync_to_async(ban)()
    if at_the_desk:
        [erasure] = await database()["erasures"].find({}).to_list()
        assert await asking.take_back_at_desk(erasure["_id"], staff=ObjectId())
    else:
        await ann.ok("POST", "/auth/erasure/cancel", 204, json={"token": cancel})
    assert await alone() is None
    credentials = {"email": ann.email, "password": PASSWORD}
    assert (await ann.http.post("/auth/login", json=credentials)).status_code == 401


async def test_a_worker_that_closed_an_account_while_it_was_taken_back_opens_it(
    ann: Person, alone: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = get_config().model_copy(update={"erasure_grace_days": 7})
    monkeypatch.setattr(asking, "get_config", lambda: waits)
    owner = ObjectId(ann.tokens["user"]["id"])
    await asked(ann)
    work = await alone()
    [erasure] = await database()["erasures"].find({}).to_list()
    assert await asking.take_back_at_desk(erasure["_id"], staff=ObjectId())
    await work.do()
    user = await accounts.store.user_by_id(owner)
    assert user is not None
    assert user.is_active


async def test_an_account_without_a_password_must_have_signed_in_just_now(ann: Person) -> None:
    owner = ObjectId(ann.tokens["user"]["id"])
    await database()["users"].update_one({"_id": owner}, {"$set": {"password": "!unusable"}})
    long_ago = now() - FRESH - timedelta(seconds=1)
    await database()["sessions"].update_many({"user_id": owner}, {"$set": {"created_at": long_ago}})
    for path in ("/me/erasure", "/me/exports"):
        assert (await ann.ok("POST", path, 403, json={}))["code"] == SignInTooOld.code
    assert (await ann.ok("GET", "/me"))["email"] == ann.email
    await database()["sessions"].update_many({"user_id": owner}, {"$set": {"created_at": now()}})
    await ann.ok("POST", "/me/exports", 202, json={})
    await ann.ok("POST", "/me/erasure", 202, json={})


async def test_a_wrong_password_erases_nothing(ann: Person) -> None:
    for body in ({"current_password": "wrong"}, {}):
        assert (await ann.ok("POST", "/me/erasure", 422, json=body))["code"] == "wrong_password"
    assert await database()["erasures"].count_documents({}) == 0
    assert (await ann.ok("GET", "/me"))["email"] == ann.email
