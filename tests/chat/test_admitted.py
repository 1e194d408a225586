"""Those who were let in and stay: sockets and answers for programs, and what becomes of them when their access ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import ServerSelectionTimeoutError

from accounts import admitted, store
from accounts.admitted import Leaving
from accounts.authentication import Identity
from chat import completions
from chat.notice_socket import NoticesConsumer
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.tasks import end_task
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel
from tests.chat.programs import ASK, lines_of, new_key, program, refusal
from tests.commands import recorded_commands
from tests.people import PASSWORD, Person

CHAT = "/chat/completions"
ASKING_S = 0.1


def test_whoever_has_to_leave_has_left_within_a_second() -> None:
    assert admitted.LOOK_EVERY_S + ASKING_S <= 1


async def test_an_access_that_ends_without_a_notice_closes_the_socket(ann: Person, bob: Person) -> None:
    signed_in = [await ann.ok("POST", "/auth/login", json={"email": ann.email, "password": PASSWORD}) for _ in range(3)]
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(ann.at(ann.server, tokens)) for tokens in signed_in]
        staying = await stack.enter_async_context(ann.socket())
        sockets = [await stack.enter_async_context(tab.socket()) for tab in tabs]
        listening = await stack.enter_async_context(tabs[0].device())
        theirs = await stack.enter_async_context(bob.socket())
        revoked, expired, deleted = [ObjectId(await tab.session_id()) for tab in tabs]
        sessions, users = database()["sessions"], database()["users"]
        await sessions.update_one({"_id": revoked}, {"$set": {"revoked_at": now()}})
        await sessions.update_one({"_id": expired}, {"$set": {"expires_at": now()}})
        await sessions.delete_one({"_id": deleted})
        await users.update_one({"email": bob.email}, {"$set": {"is_active": False}})
        codes = await asyncio.gather(*(each.close_code() for each in (*sockets, listening, theirs)))
        assert codes == [4401] * 5
        await staying.send(type="resume", requestId="r", id=await ann.conversation())
        assert (await staying.frame())["type"] == "no-active"
        await users.delete_one({"email": ann.email})
        assert await staying.close_code() == 4401


@pytest.mark.django_db
async def test_however_many_are_here_three_questions_are_asked_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Leaving] = []

    async def leave(why: Leaving) -> None:
        left.append(why)

    here: set[Any] = set()
    monkeypatch.setattr(admitted, "_here", lambda: here)
    at = now()
    for number in range(200):
        user = store.User(id=ObjectId(), email=f"{number}@example.org", name="", password="", created_at=at)
        session = store.Session(
            id=ObjectId(),
            user_id=user.id,
            refresh_hash="",
            lineage_hash="",
            rotated_at=at,
            created_at=at,
            last_seen_at=at,
            expires_at=at + timedelta(days=1),
        )
        await store.add_user(user)
        await store.add_session(session)
        for _ in range(2):
            admitted.admit(Identity(user.id, session.id), leave)
    with recorded_commands() as commands:
        await admitted.look()
    asked = [(each.name, each.collection) for each in commands if each.collection in {"sessions", "users", "api_keys"}]
    assert asked == [("aggregate", "sessions"), ("aggregate", "users")], "and no document of anybody is sent"
    assert left == []
    await store.end_session(user.id, session.id, at=now())
    await admitted.look()
    await asyncio.gather(*admitted._leaving)
    assert left == [Leaving.ENDED] * 2
    assert len(here) == 398


async def test_while_the_database_is_away_everybody_stays(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def away(*_: object, **__: object) -> set[ObjectId]:
        asked.set()
        raise ServerSelectionTimeoutError("gone")

    async with ann.socket() as socket:
        monkeypatch.setattr(store, "ended_among", away)
        async with asyncio.timeout(10):
            await asked.wait()
        await socket.send(type="resume", requestId="r", id=await ann.conversation())
        assert (await socket.frame())["type"] == "no-active"
        monkeypatch.undo()
        await database()["sessions"].update_many({}, {"$set": {"revoked_at": now()}})
        assert await socket.close_code() == 4401, "and is looked at again when it is back"


async def hang(*_: object) -> set[ObjectId]:
    await asyncio.Event().wait()
    raise AssertionError


async def cancelled(*_: object) -> set[ObjectId]:
    raise asyncio.CancelledError


@pytest.mark.parametrize("trouble", [hang, cancelled])
async def test_a_look_that_goes_wrong_is_not_the_last_one(
    ann: Person, monkeypatch: pytest.MonkeyPatch, trouble: Callable[..., Awaitable[set[ObjectId]]]
) -> None:
    looks: asyncio.Queue[int] = asyncio.Queue()
    ended_among = store.ended_among
    began = 0

    async def first_in_trouble(sessions: set[ObjectId], *, at: datetime) -> set[ObjectId]:
        nonlocal began
        # The server looks at the same guests, in this loop; only the one that is tested is in trouble.
        if asyncio.current_task() is not looking:
            return await ended_among(sessions, at=at)
        began += 1
        looks.put_nowait(began)
        return await trouble() if began == 1 else await ended_among(sessions, at=at)

    monkeypatch.setattr(admitted, "LOOK_LIMIT_S", 0.2)
    monkeypatch.setattr(store, "ended_among", first_in_trouble)
    looking = asyncio.create_task(admitted.run())
    try:
        async with ann.socket(), asyncio.timeout(10):
            assert [await looks.get(), await looks.get()] == [1, 2]
        assert not looking.done()
    finally:
        await end_task(looking)
    assert looking.cancelled(), "whoever ends it is heard"


async def test_who_takes_long_to_leave_keeps_nobody_here(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, left = asyncio.Event(), asyncio.Event()

    async def take_long(_why: Leaving) -> None:
        await stuck.wait()

    async def leave(_why: Leaving) -> None:
        left.set()

    nobody = Identity(ObjectId(), ObjectId())
    for each in (take_long, leave):
        admitted.admit(nobody, each)
    async with asyncio.timeout(10):
        await left.wait()
    stuck.set()


async def test_when_a_signing_key_is_known_to_others_every_socket_has_to_ask_for_another_ticket(
    ann: Person, model: LanguageModel
) -> None:
    gate = asyncio.Event()
    model.script = ["Hel", gate, *saying("lo")]
    async with (
        ann.socket() as socket,
        ann.device() as device,
        program(ann) as editor,
        editor.stream("POST", CHAT, json={**ASK, "stream": True}) as answer,
    ):
        events = lines_of(answer)
        await anext(events)
        await admitted.doubt_all()
        assert [await each.close_code() for each in (socket, device)] == [1013, 1013]
        gate.set()
        assert "[DONE]" in [event async for event in events], "a program's key is no access token"
    async with ann.socket():
        pass


async def test_what_happened_to_the_account_is_told_to_those_who_listen_and_disturbs_no_chat(
    ann: Person, bob: Person
) -> None:
    async with ann.device() as device, ann.socket() as socket, bob.device() as theirs:
        phone = await ann.ok("POST", "/auth/login", json={"email": ann.email, "password": PASSWORD})
        token = phone["refresh_token"]
        for _ in range(2):
            answer = await ann.http.post("/auth/refresh", json={"refresh_token": token})
            token = answer.json()["refresh_token"]
        refused = await ann.http.post("/auth/refresh", json={"refresh_token": phone["refresh_token"]})
        assert refused.status_code == 401
        told = await device.frame()
        assert (told["type"], set(told)) == ("session-reused", {"type", "session_id", "device", "at"})
        await socket.send(type="resume", requestId="r", id=await ann.conversation())
        assert (await socket.frame())["type"] == "no-active"
        mine = await bob.conversation()
        assert (await theirs.frame())["conversation_id"] == mine, "nobody else hears of it"
    assert NoticesConsumer.account_told


@pytest.mark.parametrize("end", ["key", "owner"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_answer_for_a_program_is_cut_when_its_key_is_revoked(
    ann: Person, model: LanguageModel, end: str, stream: bool
) -> None:
    model.script = ["Hel", asyncio.Event()]
    async with program(ann) as editor:
        asking = asyncio.create_task(editor.post(CHAT, json={**ASK, "stream": stream}))
        await model.provider.until(1)
        if end == "key":
            await database()["api_keys"].update_many({}, {"$set": {"revoked_at": now()}})
        else:
            await database()["users"].update_one({"email": ann.email}, {"$set": {"is_active": False}})
        async with asyncio.timeout(10):
            answer = await asking
    if stream:
        assert answer.status_code == 200
        assert '"Hel"' in answer.text
        assert '"code":"invalid_api_key"' in answer.text.replace(" ", "")
        assert "[DONE]" not in answer.text
    else:
        assert refusal(answer) == (401, "invalid_api_key")
    assert not completions._at_work


async def test_an_answer_for_a_program_is_not_cut_when_its_key_expires(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["Hel", gate, *saying("lo")]
    await new_key(ann)
    async with program(ann) as editor:
        asking = asyncio.create_task(editor.post(CHAT, json=ASK))
        await model.provider.until(1)
        await database()["api_keys"].update_many({}, {"$set": {"expires_at": now() - timedelta(seconds=1)}})
        await admitted.look()
        await asyncio.gather(*admitted._leaving)
        gate.set()
        answer: Any = await asking
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "Hello"
