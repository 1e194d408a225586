"""Notices between a user's devices, and who may listen."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import pytest
from bson import ObjectId
from channels.layers import get_channel_layer
from redis.exceptions import ConnectionError as RedisConnectionError

from chat import notice_socket, notices, sockets
from eloquent.foundation.database import database
from eloquent.foundation.logs import request_id_var
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel
from tests.people import Person, Socket, open_socket


async def heard(device: Socket, count: int) -> list[dict[str, Any]]:
    return [await device.frame() for _ in range(count)]


async def test_a_conversations_life_is_told_to_the_users_devices(ann: Person) -> None:
    async with ann.device() as phone, ann.device() as laptop:
        conversation = await ann.conversation(title="Tea")
        await ann.ok("PATCH", f"/conversations/{conversation}", json={"title": "Cake", "system_prompt": "Be brief."})
        await ann.ok("PATCH", f"/conversations/{conversation}", json={"pinned": True})
        await ann.ok("DELETE", f"/conversations/{conversation}", 204)
        told = await heard(phone, 4)
        assert await heard(laptop, 4) == told
    assert told[0].pop("created_at").endswith("Z")
    assert told == [
        {"type": "conversation-created", "conversation_id": conversation, "title": "Tea", "model": ""},
        {"type": "conversation-changed", "conversation_id": conversation, "changes": {"title": "Cake"}},
        {"type": "conversation-changed", "conversation_id": conversation, "changes": {"pinned": True}},
        {"type": "conversation-deleted", "conversation_id": conversation},
    ]


async def test_notices_are_sent_in_nobodys_name(monkeypatch: pytest.MonkeyPatch) -> None:
    whose: asyncio.Queue[str | None] = asyncio.Queue()

    async def send(*_: object) -> None:
        whose.put_nowait(request_id_var.get())

    monkeypatch.setattr(get_channel_layer(), "group_send", send, raising=False)
    token = request_id_var.set("the-first-one")
    notices._Outbox().add(ObjectId(), notices.Refetch())
    request_id_var.reset(token)
    async with asyncio.timeout(10):
        assert await whose.get() is None


async def test_a_notice_that_took_too_long_is_sent_once_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    send = AsyncMock(side_effect=[TimeoutError, None])
    monkeypatch.setattr(get_channel_layer(), "group_send", send, raising=False)
    outbox = notices._Outbox()
    outbox.add(ObjectId(), notices.Refetch())
    assert outbox._sending is not None
    await outbox._sending
    assert send.await_count == 2
    assert "notices were not sent" not in caplog.text


async def test_notices_that_took_too_long_twice_are_lost_and_the_next_are_sent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    send = AsyncMock(side_effect=[TimeoutError, TimeoutError, None])
    monkeypatch.setattr(get_channel_layer(), "group_send", send, raising=False)
    outbox = notices._Outbox()
    for _ in range(2):
        outbox.add(ObjectId(), notices.Refetch())
        assert outbox._sending is not None
        await outbox._sending
    assert send.await_count == 3
    assert caplog.text.count("notices were not sent") == 1


@pytest.mark.parametrize("status", ["complete", "stopped"])
async def test_an_answer_is_told_without_its_words(ann: Person, model: LanguageModel, status: str) -> None:
    gate = asyncio.Event()
    model.script = ["secret ", gate, *saying("words")]
    conversation = await ann.conversation()
    async with ann.device() as phone:
        run = await ann.ask(conversation, "Say it.")
        changed, started = await heard(phone, 2)
        if status == "stopped":
            await ann.ok("POST", f"/runs/{run['id']}/stop")
        gate.set()
        finished = await phone.frame()
    ids = {"conversation_id": conversation, "run_id": run["id"], "message_id": run["message_id"]}
    assert changed == {
        "type": "conversation-changed",
        "conversation_id": conversation,
        "changes": {"title": "Say it."},
    }
    assert started == {
        "type": "answer-started",
        **ids,
        "user_message_id": run["user_message_id"],
        "at": run["created_at"],
    }
    assert finished == {"type": "answer-finished", **ids, "status": status}
    assert (await ann.messages(conversation))[-1]["status"] == status, "it is saved when it is told"


async def test_another_users_devices_hear_nothing(ann: Person, bob: Person) -> None:
    async with bob.device() as theirs:
        await ann.conversation()
        mine = await bob.conversation()
        assert (await theirs.frame())["conversation_id"] == mine


async def test_what_comes_together_travels_as_one_message(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = get_channel_layer()
    sent = AsyncMock(side_effect=layer.group_send)
    monkeypatch.setattr(layer, "group_send", sent, raising=False)
    monkeypatch.setattr(notices, "HELD_BACK_S", 0.5)
    async with ann.device() as phone:
        await asyncio.gather(*(ann.conversation() for _ in range(3)))
        await heard(phone, 3)
    assert sent.await_count == 1


async def test_a_flood_is_told_as_one_refetch(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MOST_OF_A_USER", 2)
    monkeypatch.setattr(notices, "HELD_BACK_S", 0.5)
    async with ann.device() as phone:
        await asyncio.gather(*(ann.conversation() for _ in range(3)))
        assert await phone.frame() == {"type": "refetch"}


@pytest.mark.parametrize("failure", [RedisConnectionError("gone"), asyncio.Event()], ids=["refused", "silent"])
async def test_without_redis_everything_works_untold(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    async def away(*_: object) -> None:
        if isinstance(failure, Exception):
            raise failure
        await failure.wait()

    monkeypatch.setattr(get_channel_layer(), "group_send", away, raising=False)
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    assert (await ann.at_rest(run["id"]))["status"] == "complete"
    if not isinstance(failure, Exception):
        failure.set()


async def test_a_device_that_cannot_be_told_is_sent_away_to_come_back(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get_channel_layer(), "group_add", AsyncMock(side_effect=RedisConnectionError()), raising=False)
    async with ann.socket(speaks="notices") as socket:
        assert await socket.close_code() == 1013


async def test_a_reader_who_lets_too_much_pile_up_is_cut_off(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice_socket, "MOST_FRAMES_WAITING", 2)
    async with ann.device() as phone:
        group = notices.notices_group((await database()["users"].find_one({"email": ann.email}))["_id"])
        await get_channel_layer().group_send(group, {"type": notices.TOLD, "frames": ["{}"] * 3})
        assert await phone.close_code() == 1013


async def test_a_device_that_talks_is_closed(ann: Person) -> None:
    async with ann.device() as phone:
        await phone.connection.send("hello")
        assert await phone.close_code() == 1008


@pytest.mark.parametrize("ticket", ["", "A" * 43], ids=["none", "made up"])
async def test_nobody_listens_without_a_ticket(server: str, ticket: str) -> None:
    async with open_socket(server, ticket, speaks="notices") as socket:
        assert await socket.close_code() == 4401


async def test_a_page_of_another_origin_does_not_listen(ann: Person) -> None:
    async with ann.socket(speaks="notices", origin="https://evil.example") as socket:
        assert await socket.close_code() == 4403


async def test_signing_out_ends_the_listening(ann: Person) -> None:
    async with ann.device() as phone:
        await ann.ok("POST", "/auth/logout", 204)
        assert await phone.close_code() == 4401


@pytest.mark.parametrize("speaks", ["chat", "notices"])
async def test_a_user_has_so_many_sockets_of_a_kind_and_no_more(
    ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch, speaks: str
) -> None:
    monkeypatch.setattr(sockets, "MOST_SOCKETS_OF_A_USER", 1)
    async with ann.socket(speaks=speaks) as first, bob.device():
        await first.connection.ping()
        async with ann.socket(speaks=speaks) as second:
            assert await second.close_code() == 4429
    async with asyncio.timeout(20):
        while sockets._open:  # noqa: ASYNC110 - the server's side of a close has no event
            await asyncio.sleep(0.01)
    async with ann.device():
        pass
