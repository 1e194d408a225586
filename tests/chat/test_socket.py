"""The chat socket: the AI SDK 7 websocket transport, and who may open it."""

import asyncio
import logging
from typing import Any
from unittest.mock import AsyncMock

import pytest
import websockets
from bson import ObjectId
from channels.layers import get_channel_layer
from pymongo.errors import AutoReconnect
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts import liveness
from accounts.limits.policies import Pace
from accounts.notices import session_group, tell_sessions_ended
from chat import consumers
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.serving import web_server
from inference.errors import ModelBusy
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel
from tests.people import Person, Socket, open_socket


async def test_an_answer_arrives_over_the_socket_and_is_kept(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi")
        stream = await socket.read("r1")
    assert stream.text == "Hello there!"
    question, answer = await ann.messages(conversation)
    assert (question["parts"][0]["text"], answer["parts"][0]["text"]) == ("Hi", "Hello there!")
    assert (answer["id"], answer["status"]) == (stream.message_id, "complete")


async def test_many_requests_share_one_socket(ann: Person, model: LanguageModel) -> None:
    conversations = [await ann.conversation() for _ in range(5)]
    received: dict[str, str] = {}
    async with ann.socket() as socket:
        for number, conversation in enumerate(conversations):
            await socket.ask(f"r{number}", conversation, "Hi")
        ended = 0
        while ended < len(conversations):
            frame = await socket.frame()
            ended += frame["type"] == "end"
            delta = frame.get("chunk", {}).get("delta", "")
            received[frame["requestId"]] = received.get(frame["requestId"], "") + delta
    assert received == {f"r{number}": "Hello there!" for number in range(5)}


async def test_a_reload_in_the_middle_resumes_from_the_beginning(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["Before ", gate, *saying("after")]
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi")
        while (await socket.frame()).get("chunk", {}).get("type") != "text-delta":
            pass
    async with ann.socket() as socket:
        await socket.send(type="resume", requestId="r2", id=conversation)
        assert await socket.frame() == {"type": "start", "requestId": "r2"}
        gate.set()
        stream = await socket.read("r2")
    assert stream.text == "Before after"
    assert (await ann.messages(conversation))[-1]["parts"][0]["text"] == "Before after"


async def test_a_resume_behind_a_sequence_brings_only_the_rest(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["Before ", gate, *saying("after")]
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi")
        while (frame := await socket.frame())["chunk"]["type"] != "text-delta":
            pass
        await socket.send(type="resume", requestId="r2", id=conversation, lastSequence=frame["sequence"])
        assert await socket.frame() == {"type": "start", "requestId": "r2"}
        gate.set()
        while (rest := await socket.frame())["requestId"] != "r2":
            pass
        assert rest["sequence"] == frame["sequence"] + 1
        assert rest["chunk"]["delta"] == "after"


async def test_nothing_to_resume_is_said(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi")
        await socket.read("r1")
        await socket.send(type="resume", requestId="r2", id=conversation)
        assert await socket.frame() == {"type": "no-active", "requestId": "r2"}


@pytest.mark.parametrize("words", ["", "Some"], ids=["before the first token", "after it"])
async def test_an_abort_stops_the_model_and_keeps_the_text(ann: Person, model: LanguageModel, words: str) -> None:
    model.script = [*([words] if words else []), asyncio.Event()]
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Talk")
        await model.provider.until(1)
        await socket.send(type="abort", requestId="r1")
        stream = await socket.read("r1")
    assert stream.last == {"type": "abort"}
    assert stream.text == words
    await model.provider.until_idle()
    assert (await ann.messages(conversation))[-1]["status"] == "stopped"


async def test_an_abort_right_behind_the_send_stops_the_run(ann: Person, model: LanguageModel) -> None:
    model.script = [asyncio.Event()]
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Talk")
        await socket.send(type="abort", requestId="r1")
        assert (await socket.read("r1")).last == {"type": "abort"}
    assert (await ann.messages(conversation))[-1]["status"] == "stopped"


async def test_an_abort_right_behind_a_resume_stops_the_run(ann: Person, model: LanguageModel) -> None:
    model.script = ["Some", asyncio.Event()]
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Talk")
        await model.provider.until(1)
    async with ann.socket() as socket:
        await socket.send(type="resume", requestId="r2", id=conversation)
        await socket.send(type="abort", requestId="r2")
        assert await socket.frame() == {"type": "start", "requestId": "r2"}
        assert (await socket.read_rest())["type"] == "abort"
    assert (await ann.messages(conversation))[-1]["status"] == "stopped"


async def test_whoever_aborts_again_and_again_is_heard_once_at_a_time(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, asked = asyncio.Event(), 0
    stop_run = consumers.runs.stop_run

    async def slow(owner: Any, run_id: Any) -> Any:
        nonlocal asked
        asked += 1
        await gate.wait()
        return await stop_run(owner, run_id)

    monkeypatch.setattr(consumers.runs, "stop_run", slow)
    model.script = ["Well", asyncio.Event()]
    conversation, other = await ann.conversation(), await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi")
        while (await socket.frame()).get("chunk", {}).get("type") != "text-delta":
            pass
        for _ in range(300):
            await socket.send(type="abort", requestId="r1")
        await socket.send(type="resume", requestId="r2", id=other)
        assert (await socket.frame())["type"] == "no-active", "all before it were heard"
        assert asked == 1
        gate.set()
        assert (await socket.read_rest())["type"] == "abort"


async def test_an_abort_of_a_request_that_is_not_there_is_ignored(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.send(type="abort", requestId="never")
        await socket.ask("r1", conversation, "Hi")
        assert (await socket.read("r1")).text == "Hello there!"


async def test_a_dropped_socket_does_not_stop_the_answer(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["One", gate, *saying(" two")]
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi")
        while (frame := await socket.frame())["chunk"]["type"] != "text-delta":
            pass
    run_id = (await ann.messages(conversation))[-1]["run_id"]
    gate.set()
    assert (await ann.at_rest(run_id))["status"] == "complete"
    assert frame["chunk"]["delta"] == "One"
    assert (await ann.messages(conversation))[-1]["parts"][0]["text"] == "One two"


async def test_a_client_that_vanishes_leaves_no_error_behind(
    ann: Person, model: LanguageModel, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()
    model.script = ["One", gate, *saying(*["more and more " * 1000] * 50)]
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi")
        while (await socket.frame())["chunk"]["type"] != "text-delta":
            pass
        socket.connection.transport.abort()
        gate.set()
    run_id = (await ann.messages(conversation))[-1]["run_id"]
    assert (await ann.at_rest(run_id))["status"] == "complete"
    # asyncio itself remarks on writes to a lost connection.
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [line for line in said if line != "socket.send() raised exception."] == []


async def test_a_regenerated_answer_is_a_sibling_of_the_first(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi")
        first = await socket.read("r1")
        model.script = saying("Another")
        await socket.ask(
            "r2", conversation, "ignored", trigger="regenerate-message", messageId=first.message_id, messages=[]
        )
        second = await socket.read("r2")
    messages = await ann.messages(conversation)
    assert [message["id"] for message in messages][1] == second.message_id != first.message_id
    assert [message["parts"][0]["text"] for message in messages] == ["Hi", "Another"]
    assert [message.content for message in model.provider.requests[-1].messages] == ["Hi"]


async def test_an_edited_message_is_a_sibling_of_the_first(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi")
        first = await socket.read("r1")
        await socket.ask("r2", conversation, "Hi again", messageId=first.metadata["userMessageId"])
        await socket.read("r2")
    texts = [message["parts"][0]["text"] for message in await ann.messages(conversation)]
    assert texts == ["Hi again", "Hello there!"]


async def test_a_second_send_while_an_answer_is_written_is_an_error(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["x", gate, *saying()]
    conversation = await ann.conversation()
    async with ann.socket() as tab, ann.socket() as other_tab:
        await tab.ask("r1", conversation, "Hi")
        assert (await tab.frame())["chunk"]["type"] == "start"
        await other_tab.ask("r2", conversation, "Me too")
        refused = await other_tab.frame()
        assert (refused["type"], refused["requestId"], refused["problem"]["code"]) == ("error", "r2", "branch_busy")
        gate.set()


async def test_a_failing_model_is_an_error_chunk_and_the_socket_lives_on(ann: Person, model: LanguageModel) -> None:
    model.script = ["Half", ModelBusy("scripted")]
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "Hi")
        assert (await socket.read("r1")).last == {"type": "error", "errorText": "scripted is busy. Try again in 5 s."}
        model.script = saying("Whole")
        await socket.ask("r2", await ann.conversation(), "Hi")
        assert (await socket.read("r2")).text == "Whole"


@pytest.mark.parametrize(
    "text",
    ["", "no json", "[]", '{"type":"shout","requestId":"r"}', '{"type":"send","requestId":"r"}', "{" * 5000],
    ids=lambda text: text[:20] or "empty",
)
async def test_a_malformed_frame_closes_the_socket_as_the_protocol_says(ann: Person, text: str) -> None:
    async with ann.socket() as socket:
        await socket.connection.send(text)
        assert await socket.close_code() == 1008


async def test_a_binary_frame_closes_the_socket(ann: Person) -> None:
    async with ann.socket() as socket:
        await socket.connection.send(b'{"type":"abort","requestId":"r"}')
        assert await socket.close_code() == 1008


def test_our_own_server_lets_the_largest_frame_through() -> None:
    assert web_server.LARGEST_FRAME == consumers.LARGEST_FRAME_CHARS


async def test_a_frame_above_the_limit_closes_the_socket(ann: Person) -> None:
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r1", conversation, "x" * consumers.LARGEST_FRAME_CHARS)
        assert await socket.close_code() in (1008, 1009)


@pytest.mark.parametrize("field", ["id", "parentId"])
async def test_an_id_that_is_none_is_an_error_frame(ann: Person, model: LanguageModel, field: str) -> None:
    conversation = await ann.conversation()
    changes: dict[str, Any] = {
        "id": {"id": "new/chat"},
        "parentId": {"body": {"parentId": "m1"}},
    }[field]
    async with ann.socket() as socket:
        frame = {"type": "send", "requestId": "r1", "id": conversation, "trigger": "submit-message"}
        messages = [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]
        await socket.send(**(frame | {"messages": messages} | changes))
        refused = await socket.frame()
        assert (refused["type"], refused["problem"]["code"]) == ("error", "invalid_input")
        await socket.ask("r2", conversation, "Hi")
        await socket.read("r2")


async def test_the_same_request_id_twice_at_once_closes_the_socket(ann: Person, model: LanguageModel) -> None:
    model.script = [asyncio.Event()]
    async with ann.socket() as socket:
        await socket.ask("r1", await ann.conversation(), "Hi")
        await socket.ask("r1", await ann.conversation(), "Hi")
        assert await socket.close_code() == 1008


async def test_too_many_frames_are_refused_and_the_socket_stays(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "FRAMES", Pace(per_s=0.001, at_once=1))
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.send(type="resume", requestId="r1", id=conversation)
        assert (await socket.frame())["type"] == "no-active"
        await socket.send(type="resume", requestId="r2", id=conversation)
        refused = await socket.frame()
        assert (refused["type"], refused["problem"]["code"]) == ("error", "throttled")


@pytest.mark.parametrize("frame", ["send", "resume"])
async def test_another_users_conversation_is_not_found(
    ann: Person, bob: Person, model: LanguageModel, frame: str
) -> None:
    conversation = await ann.conversation()
    gate = asyncio.Event()
    model.script = ["x", gate, *saying()]
    async with ann.socket() as mine, bob.socket() as theirs:
        await mine.ask("r1", conversation, "Hi")
        assert (await mine.frame())["chunk"]["type"] == "start"
        if frame == "send":
            await theirs.ask("r2", conversation, "Hi")
        else:
            await theirs.send(type="resume", requestId="r2", id=conversation)
        refused = await theirs.frame()
        nothing = str(ObjectId())
        if frame == "send":
            await theirs.ask("r3", nothing, "Hi")
        else:
            await theirs.send(type="resume", requestId="r3", id=nothing)
        unknown = await theirs.frame()
        assert refused | {"requestId": ""} == unknown | {"requestId": ""}, "the two must look the same"
        if frame == "send":
            assert refused["problem"]["code"] == "not_found"
        else:
            assert refused["type"] == "no-active"
        gate.set()
        await mine.read_rest()


@pytest.mark.parametrize("field", ["messageId", "parentId"])
async def test_another_users_message_cannot_be_gone_on_from(
    ann: Person, bob: Person, model: LanguageModel, field: str
) -> None:
    theirs = await bob.ask(await bob.conversation(), "Hi")
    await bob.at_rest(theirs["id"])
    changes: dict[str, Any] = {
        "messageId": {"messageId": theirs["user_message_id"]},
        "parentId": {"body": {"parentId": theirs["message_id"]}},
    }[field]
    async with ann.socket() as socket:
        await socket.ask("r1", await ann.conversation(), "Hi", **changes)
        assert (await socket.frame())["problem"]["code"] == "parent_unknown"


@pytest.mark.parametrize("trigger", ["submit-message", "regenerate-message"])
async def test_a_message_of_another_conversation_cannot_be_redone_here(
    ann: Person, model: LanguageModel, trigger: str
) -> None:
    elsewhere = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(elsewhere["id"])
    redone = elsewhere["user_message_id" if trigger == "submit-message" else "message_id"]
    async with ann.socket() as socket:
        await socket.ask("r1", await ann.conversation(), "Hi", trigger=trigger, messageId=redone)
        assert (await socket.frame())["problem"]["code"] == "parent_unknown"


async def test_another_users_abort_does_nothing(ann: Person, bob: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["x", gate, *saying("y")]
    async with ann.socket() as mine, bob.socket() as theirs:
        await mine.ask("r1", await ann.conversation(), "Hi")
        assert (await mine.frame())["chunk"]["type"] == "start"
        await theirs.send(type="abort", requestId="r1")
        await theirs.send(type="resume", requestId="r2", id=await bob.conversation())
        assert (await theirs.frame())["type"] == "no-active"
        gate.set()
        assert (await mine.read_rest())["finishReason"] == "stop"


@pytest.mark.parametrize("ticket", ["", "x", "A" * 43], ids=["none", "short", "made up"])
async def test_a_socket_without_a_valid_ticket_is_closed(server: str, ticket: str) -> None:
    async with open_socket(server, ticket) as socket:
        assert await socket.close_code() == 4401


async def test_a_socket_is_told_to_come_back_while_the_database_is_away(
    ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = (await ann.ok("POST", "/auth/socket-ticket", 201))["ticket"]
    monkeypatch.setattr("accounts.store.take_ticket", AsyncMock(side_effect=AutoReconnect("gone")))
    async with open_socket(ann.server, ticket) as socket:
        assert await socket.close_code() == 1013


async def test_a_ticket_opens_one_socket_only(ann: Person) -> None:
    ticket = (await ann.ok("POST", "/auth/socket-ticket", 201))["ticket"]
    async with open_socket(ann.server, ticket) as socket:
        await socket.send(type="resume", requestId="r", id=await ann.conversation())
        assert (await socket.frame())["type"] == "no-active"
    async with open_socket(ann.server, ticket) as socket:
        assert await socket.close_code() == 4401


async def test_a_ticket_may_come_in_the_query_where_a_client_cannot_offer_it(ann: Person) -> None:
    async with ann.socket(in_query=True) as socket:
        assert socket.connection.subprotocol == "eloquent.chat.v1"
        await socket.send(type="resume", requestId="r", id=await ann.conversation())
        assert (await socket.frame())["type"] == "no-active"
    for query in ("", "?ticket=", "?ticket=x", "?" + "&".join(["a=b"] * 100)):
        url = ann.server.replace("http://", "ws://") + "/ws/chat" + query
        async with websockets.connect(url, compression=None, proxy=None) as connection:
            assert await Socket(connection).close_code() == 4401


async def test_a_page_of_another_origin_gets_no_socket(ann: Person) -> None:
    async with ann.socket(origin="https://evil.example") as socket:
        assert await socket.close_code() == 4403
    async with ann.socket(origin=ann.server) as socket:
        await socket.send(type="resume", requestId="r", id=await ann.conversation())
        assert (await socket.frame())["type"] == "no-active"


async def test_signing_out_closes_the_socket(ann: Person) -> None:
    async with ann.socket() as socket:
        await ann.ok("POST", "/auth/logout", 204)
        assert await socket.close_code() == 4401


@pytest.mark.parametrize("kind", ["send", "resume"])
async def test_a_frame_after_the_sessions_end_is_refused_even_when_no_notice_came(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.send(type="resume", requestId="r1", id=conversation)
        assert (await socket.frame())["type"] == "no-active"
        session_id = ObjectId(await ann.session_id())
        await database()["sessions"].update_many({}, {"$set": {"revoked_at": now()}})
        liveness.forget(session_id)  # the second is over
        if kind == "send":
            await socket.ask("r2", conversation, "Hi")
        else:
            await socket.send(type="resume", requestId="r2", id=conversation)
        assert await socket.close_code() == 4401
    assert model.provider.requests == []


async def test_without_redis_a_socket_works_and_hears_no_notices(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise RedisConnectionError("gone")

    layer = get_channel_layer()
    monkeypatch.setattr(layer, "group_add", away, raising=False)
    monkeypatch.setattr(layer, "group_discard", away, raising=False)
    async with ann.socket() as socket:
        await socket.ask("r1", await ann.conversation(), "Hi")
        assert (await socket.read("r1")).text == "Hello there!"


async def test_a_socket_hears_notices_when_redis_is_back(ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = get_channel_layer()
    add, left, joined = layer.group_add, 5, set()

    async def away_at_first(group: str, channel: str) -> None:
        nonlocal left
        left -= 1
        if left > 0:
            raise RedisConnectionError("gone")
        await add(group, channel)
        joined.add(group)

    monkeypatch.setattr(layer, "group_add", away_at_first, raising=False)
    monkeypatch.setattr("chat.sockets.JOIN_AGAIN_S", 0.02)
    session = ObjectId(await ann.session_id())
    async with ann.socket() as socket, asyncio.timeout(10):
        while session_group(session) not in joined:  # noqa: ASYNC110 - it is in the server, which tells nobody
            await asyncio.sleep(0.01)
        # A notice alone: the session goes on, and no look at the database would close the socket.
        await tell_sessions_ended([session])
        assert await socket.close_code() == 4401


async def test_no_socket_is_served_elsewhere(server: str) -> None:
    with pytest.raises(websockets.exceptions.WebSocketException):
        async with websockets.connect(server.replace("http", "ws") + "/ws/other", proxy=None):
            pass
