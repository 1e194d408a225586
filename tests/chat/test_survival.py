"""What goes wrong in the middle of an answer, and that the text shown is in the database all the same."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from msgspec.structs import replace
from pymongo.errors import AutoReconnect, DocumentTooLarge, NotPrimaryError, ServerSelectionTimeoutError

from chat import answering, chunks, runs, store, work
from chat.asking import LEASE_S, Ask
from chat.errors import Draining
from chat.journal import MemoryJournal, NotInJournal, wire
from chat.reaper import Reaper
from chat.types import Message, Run
from eloquent.embedded.llamacpp import LlamaCpp
from eloquent.foundation import lifecycle
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.ids import UserId
from eloquent.foundation.telemetry import metrics
from inference.catalog import offering
from inference.offers import OfferedModel
from inference.providers.llamacpp import LlamaCppServer
from inference.providers.scripted import saying
from inference.types import Finished, FinishReason, ToolCall, Usage
from tests.chat.conftest import LanguageModel
from tests.chat.test_shared_journal import process, until
from tests.chat.ui_stream import UIStream
from tests.people import Person
from tests.servers import running_servers


@pytest.fixture
def draining_undone() -> Iterator[None]:
    """Whatever a test marks, the next one starts open for work."""
    yield
    lifecycle.open_for_work()


async def read_until(person: Person, run_id: str, at_least: int) -> str:
    """The text shown once it has this many characters; then the reader leaves."""
    stream = UIStream()
    async with person.events(f"/runs/{run_id}/stream") as events:
        async for _, chunk in events:
            stream.feed(chunk)
            if len(stream.text) >= at_least:
                break
    return stream.text


async def test_the_database_is_killed_and_comes_back_in_the_middle_of_an_answer(
    ann: Person, model: LanguageModel
) -> None:
    gate, back = asyncio.Event(), asyncio.Event()
    model.script = ["Before. ", gate, "Without a database. ", back, *saying("After.")]
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    mongod = running_servers().mongod
    stream = UIStream()
    async with ann.events(f"/runs/{run['id']}/stream") as events:
        async for _, chunk in events:
            stream.feed(chunk)
            if stream.text == "Before. " and not gate.is_set():
                await asyncio.to_thread(mongod.kill)
                gate.set()
            elif stream.text == "Before. Without a database. " and not back.is_set():
                await asyncio.to_thread(mongod.start)
                back.set()
    assert stream.text == "Before. Without a database. After."
    await ann.at_rest(run["id"])
    answer = (await ann.messages(conversation))[-1]
    assert (answer["status"], answer["parts"][0]["text"]) == ("complete", stream.text)


async def test_an_answer_that_ends_while_the_database_is_away_is_saved_when_it_is_back(
    ann: Person, model: LanguageModel
) -> None:
    gate = asyncio.Event()
    model.script = ["Before. ", gate, *saying("After.")]
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    finished = work._at_work[ObjectId(run["id"])].finished
    mongod = running_servers().mongod
    stream = UIStream()
    try:
        async with ann.events(f"/runs/{run['id']}/stream") as events:
            async for _, chunk in events:
                stream.feed(chunk)
                if chunk["type"] == "text-delta" and not gate.is_set():
                    await asyncio.to_thread(mongod.kill)
                    gate.set()
        # The readers were told the end although nothing could be saved yet.
        assert stream.text == "Before. After."
        assert stream.last is not None
    finally:
        await asyncio.to_thread(mongod.start)
    assert finished is not None
    await finished
    answer = (await ann.messages(conversation))[-1]
    assert (answer["status"], answer["parts"][0]["text"]) == ("complete", "Before. After.")


async def test_saving_is_tried_until_it_is_done(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.answering._RETRY_FIRST_S", 0.001)
    failures = [AutoReconnect("gone"), ServerSelectionTimeoutError("gone"), NotPrimaryError("stepped down")]
    keep_rest, before = store.keep_rest, metrics.runs_completed.value

    async def fail_first(run: Run, message: Message, **options: Any) -> None:
        if failures:
            raise failures.pop()
        await keep_rest(run, message, **options)

    monkeypatch.setattr(store, "keep_rest", fail_first)
    run = await ann.ask(await ann.conversation(), "Hi")
    assert (await ann.at_rest(run["id"]))["status"] == "complete"
    assert failures == []
    assert (await ann.messages(run["conversation_id"]))[-1]["parts"][0]["text"] == "Hello there!"
    assert metrics.runs_completed.value == before + 1


async def test_a_reader_of_a_saved_answer_waits_while_mongodb_is_away(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    monkeypatch.setitem(work._journals, asyncio.get_running_loop(), MemoryJournal())
    failures = [AutoReconnect("gone"), ServerSelectionTimeoutError("gone")]
    find_message = store.find_message

    async def fail_first(owner: ObjectId, message_id: ObjectId) -> Message | None:
        if failures:
            raise failures.pop()
        return await find_message(owner, message_id)

    monkeypatch.setattr(store, "find_message", fail_first)
    _, stream = await ann.read(run["id"])
    assert stream.text == "Hello there!"
    assert failures == []


async def test_a_model_server_that_is_killed_leaves_the_text_it_had_written(ann: Person, tmp_path: Path) -> None:
    server = LlamaCpp(data_dir=tmp_path)
    await asyncio.to_thread(server.start)
    try:
        provider = LlamaCppServer(server.address)
        name = (await provider.models())[0].name
        offered = OfferedModel(f"real/{name}", name, "real", default=True, context_window=4096)
        with offering(offered, provider):
            conversation = await ann.conversation()
            run = await ann.ask(conversation, "Tell me a very long story about the sea.")
            stream = UIStream()
            async with ann.events(f"/runs/{run['id']}/stream") as events:
                async for _, chunk in events:
                    stream.feed(chunk)
                    if len(stream.text) > 20 and server.is_running():
                        await asyncio.to_thread(server.kill)
    finally:
        await asyncio.to_thread(server.stop)
    assert stream.last is not None
    assert stream.last["type"] == "error"
    answer = (await ann.messages(conversation))[-1]
    assert answer["status"] == "failed"
    assert answer["parts"][0]["text"] == stream.text
    assert answer["error"]["detail"] == stream.last["errorText"]


async def text_saved(run: dict[str, Any]) -> str:
    """The plain text in the saved answer of a run."""
    answer = await database()["messages"].find_one({"_id": ObjectId(run["message_id"])})
    assert answer is not None
    text: str = answer["text"]
    return text


async def test_progress_is_saved_while_the_answer_is_written(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.answering.KEEP_EVERY_S", 0.01)
    saved = asyncio.Event()
    keep_progress = store.keep_progress

    async def keep_and_tell(message: Message) -> bool:
        kept = await keep_progress(message)
        if message.parts:
            saved.set()
        return kept

    monkeypatch.setattr(store, "keep_progress", keep_and_tell)
    gate = asyncio.Event()
    model.script = ["Half", gate, *saying(" whole")]
    run = await ann.ask(await ann.conversation(), "Hi")
    shown = await read_until(ann, run["id"], 4)
    await saved.wait()
    answer = (await ann.messages(run["conversation_id"]))[-1]
    assert (answer["status"], answer["parts"][0]["text"]) == ("streaming", shown)
    assert await text_saved(run) == ""  # indexing it as it grows is work for nothing: it is written at rest
    gate.set()
    await ann.at_rest(run["id"])
    assert await text_saved(run) == "Half whole"


async def half_an_answer(ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A run that has said "Half", and now only saves and renews its lease, again and again."""
    monkeypatch.setattr("chat.answering.KEEP_EVERY_S", 0.01)
    monkeypatch.setattr("chat.answering.RENEWED_WITH_LEFT_S", LEASE_S)
    model.script = ["Half", asyncio.Event()]
    run = await ann.ask(await ann.conversation(), "Hi")
    await read_until(ann, run["id"], 4)
    return run


@pytest.mark.parametrize("gone", ["messages", "runs"])
async def test_a_run_that_is_deleted_behind_our_back_ends(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    run = await half_an_answer(ann, model, monkeypatch)
    await database()[gone].delete_one({"_id": ObjectId(run["message_id" if gone == "messages" else "id"])})
    await model.provider.until_idle()
    assert model.provider.answering == 0


async def test_a_lease_is_renewed_while_the_answer_is_written(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.answering.KEEP_EVERY_S", 0.01)
    monkeypatch.setattr("chat.answering.RENEWED_WITH_LEFT_S", LEASE_S)
    renewed = asyncio.Event()
    renew_lease = store.renew_lease

    async def renew_and_tell(run: Run) -> bool:
        still_ours = await renew_lease(run)
        renewed.set()
        return still_ours

    monkeypatch.setattr(store, "renew_lease", renew_and_tell)
    gate = asyncio.Event()
    model.script = ["Half", gate, *saying(" whole")]
    run = await ann.ask(await ann.conversation(), "Hi")
    first = await database()["runs"].find_one({"_id": ObjectId(run["id"])})
    renewed.clear()
    await renewed.wait()
    later = await database()["runs"].find_one({"_id": ObjectId(run["id"])})
    assert first is not None
    assert later is not None
    assert later["lease_expires_at"] > first["lease_expires_at"]
    gate.set()
    await ann.at_rest(run["id"])


async def test_a_stop_whose_word_was_lost_is_honoured_when_the_lease_is_to_be_renewed(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await half_an_answer(ann, model, monkeypatch)
    await database()["runs"].update_one({"_id": ObjectId(run["id"])}, {"$set": {"stop_requested_at": now()}})
    assert (await ann.at_rest(run["id"]))["status"] == "stopped"
    assert await text_saved(run) == "Half"


@pytest.mark.parametrize("at", [0.0, 0.1, 0.249, 1.0, 3.333, 86_400.7])
def test_all_runs_save_at_the_same_beats(at: float) -> None:
    wait_s = answering._until_next_keeping_s(at)
    assert (at + wait_s) % 0.25 == pytest.approx(0, abs=1e-6)
    assert wait_s + 1e-6 >= answering.KEEP_EVERY_S - 0.25
    assert wait_s <= answering.KEEP_EVERY_S


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_run_that_cannot_be_shown_is_brought_to_rest_by_the_reaper(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        await model.provider.until(1)
        raise AutoReconnect("gone")

    model.script = ["Half", asyncio.Event()]
    conversation = await ann.conversation()
    with monkeypatch.context() as patched:
        patched.setattr(store, "show_run", away)
        await ann.ask(conversation, "Hi", 503)
    await model.provider.until_idle()
    assert not work._at_work
    stored = await database()["runs"].find_one({"conversation_id": ObjectId(conversation)})
    assert stored is not None
    with pytest.raises(NotInJournal):
        await work.journal().follow(stored["_id"], rested=True)  # it has no end
    await lost(str(stored["_id"]))
    await Reaper(work.journal(), ()).reap()
    assert [message["status"] for message in await ann.messages(conversation)] == ["complete", "interrupted"]
    _, stream = await ann.read(str(stored["_id"]))
    assert stream.last is not None
    assert stream.last["type"] == "error"


async def test_a_run_that_breaks_leaves_no_reader_waiting_and_no_model_at_work(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> bool:
        raise OverflowError

    monkeypatch.setattr("chat.answering.KEEP_EVERY_S", 0.01)
    monkeypatch.setattr(store, "keep_progress", broken)
    model.script = ["Half", asyncio.Event()]
    run = await ann.ask(await ann.conversation(), "Hi")
    async with asyncio.timeout(5):
        told = await ann.http.get(f"/runs/{run['id']}/stream")
        await model.provider.until_idle()
    assert told.text.endswith("data: [DONE]\n\n")
    assert "Half" in told.text


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_nobody_is_told_that_an_answer_is_whole_which_cannot_be_saved(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise OverflowError

    with monkeypatch.context() as patched:
        patched.setattr(store, "keep_rest", broken)
        run = await ann.ask(await ann.conversation(), "Hi")
        _, stream = await ann.read(run["id"])
    assert stream.last is not None
    assert stream.last["type"] == "error"
    await lost(run["id"])
    await Reaper(work.journal(), ()).reap()
    _, answer = await ann.messages(run["conversation_id"])
    assert (answer["status"], answer["error"]["code"]) == ("interrupted", "interrupted")


async def test_tool_calls_count_towards_the_longest_answer(ann: Person, model: LanguageModel) -> None:
    """Otherwise they make a document that MongoDB does not take."""
    calls = [ToolCall(str(number), "write", '"' + "x" * 600_000 + '"') for number in range(30)]
    model.script = [*calls, Finished(FinishReason.STOP, Usage())]
    run = await ann.at_rest((await ann.ask(await ann.conversation(), "Hi"))["id"])
    assert (run["status"], run["usage"]["finishReason"]) == ("complete", "length")
    assert len((await ann.messages(run["conversation_id"]))[-1]["parts"]) == 2


async def lost(run_id: str, **changes: object) -> Run:
    """The run as a worker leaves it that was killed a while ago."""
    at = now() - timedelta(seconds=LEASE_S)
    fields = {"active": True, "status": "streaming", "lease_expires_at": at, "finished_at": None} | changes
    await database()["runs"].update_one({"_id": ObjectId(run_id)}, {"$set": fields})
    document = await database()["runs"].find_one({"_id": ObjectId(run_id)})
    assert document is not None
    found = await store.find_run(document["user_id"], ObjectId(run_id))
    assert found is not None
    return found


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_lost_run_is_brought_to_rest_with_the_text_so_far(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    await ann.at_rest(run["id"])
    await lost(run["id"])
    half = {"status": "streaming", "text": "", "parts": [{"type": "text", "text": "Hel"}]}
    await database()["messages"].update_one({"_id": ObjectId(run["message_id"])}, {"$set": half})
    await Reaper(work.journal(), ()).reap()
    answer = (await ann.messages(conversation))[-1]
    assert (answer["status"], answer["parts"]) == ("interrupted", half["parts"])
    assert await text_saved(run) == "Hel"
    assert answer["error"]["code"] == "interrupted"
    rest = await ann.ok("GET", f"/runs/{run['id']}")
    assert (rest["status"], rest["error"]["code"]) == ("interrupted", "interrupted")
    await ann.at_rest((await ann.ask(conversation, "Again"))["id"])


async def test_a_reader_of_a_lost_run_is_told_its_end(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    await database()["messages"].update_one({"_id": ObjectId(run["message_id"])}, {"$set": {"status": "streaming"}})
    await lost(run["id"])  # last: the server's own reaper may take it from here on
    monkeypatch.setitem(work._journals, asyncio.get_running_loop(), MemoryJournal())
    _, stream = await ann.read(run["id"])
    assert stream.text == "Hello there!"
    assert stream.last == {"type": "error", "errorText": "The answer was interrupted. What was written is kept."}


async def test_the_end_of_a_run_is_told_when_its_log_lost_it(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    # Its worker saved the answer and was gone before Redis had the end.
    async with process("gone") as gone:
        await gone._redis.delete(wire.key_of(ObjectId(run["id"])))
        gone.open(ObjectId(run["id"]))
        gone.append(ObjectId(run["id"]), [chunks.start(ObjectId(run["message_id"]), {})])
        await until(lambda: gone._mirror._copies[ObjectId(run["id"])].position == 1)
    async with process("another") as another:
        monkeypatch.setitem(work._journals, asyncio.get_running_loop(), another)
        async with asyncio.timeout(5):
            _, stream = await ann.read(run["id"])
    assert stream.text == "Hello there!"
    assert stream.last is not None
    assert stream.last["type"] == "finish"


async def test_a_reader_waits_a_moment_for_an_end_that_is_on_its_way(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    run_id = ObjectId(run["id"])
    stored = await database()["runs"].find_one_and_update({"_id": run_id}, {"$set": {"finished_at": now()}})
    said = [chunks.start(stored["message_id"], {}), chunks.START_STEP, chunks.FINISH_STEP]
    async with process("writer") as writer, process("another") as another:
        await writer._redis.delete(wire.key_of(run_id))
        writer.open(run_id)
        writer.append(run_id, said)
        await until(lambda: writer._mirror._copies[run_id].position == len(said))
        monkeypatch.setitem(work._journals, asyncio.get_running_loop(), another)
        entries = await runs.entries_of(stored["user_id"], run_id)
        assert await anext(entries) == (0, (), False)
        writer.close(run_id)
        read = [batch async for batch in entries if batch.chunks]
    assert not any(batch.is_replay for batch in read)
    assert [chunk for batch in read for chunk in batch.chunks] == said


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_run_rests_only_when_its_answer_is_saved(ann: Person, model: LanguageModel) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    found = await lost(run["id"])
    await database()["messages"].update_one({"_id": found.message_id}, {"$set": {"status": "streaming"}})
    message = await store.message_of_run(found)
    assert message is not None
    too_large = replace(message, parts=[{"type": "text", "text": "x" * 17_000_000}])
    with pytest.raises(DocumentTooLarge):
        await store.keep_rest(found, too_large)
    assert (await database()["runs"].find_one({"_id": found.id}))["active"]  # type: ignore[index]


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_lost_run_that_cannot_be_brought_to_rest_does_not_hold_up_the_others(
    ann: Person, model: LanguageModel
) -> None:
    ids = []
    for parts in ([{"nothing": "known"}], [{"type": "text", "text": "Hel"}]):
        run = await ann.ask(await ann.conversation(), "Hi")
        await ann.at_rest(run["id"])
        await lost(run["id"])
        half = {"status": "streaming", "text": "", "parts": parts}
        await database()["messages"].update_one({"_id": ObjectId(run["message_id"])}, {"$set": half})
        ids.append(run["id"])
    await Reaper(work.journal(), ()).reap()
    assert (await ann.ok("GET", f"/runs/{ids[1]}"))["status"] == "interrupted"


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_a_lost_run_is_counted_also_when_its_log_cannot_be_read(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    found = await lost(run["id"])
    await database()["messages"].update_one({"_id": found.message_id}, {"$set": {"status": "streaming"}})

    async def gone(*_: object, **__: object) -> None:
        raise NotInJournal

    monkeypatch.setattr(work.journal(), "adopt", gone)
    before = metrics.runs_interrupted.value
    await Reaper(work.journal(), ()).reap()
    assert (await ann.ok("GET", f"/runs/{run['id']}"))["status"] == "interrupted"
    assert metrics.runs_interrupted.value == before + 1


async def test_a_run_that_the_reaper_has_ended_is_not_counted_again_by_its_late_worker(
    ann: Person, model: LanguageModel
) -> None:
    gate = asyncio.Event()
    model.script = [gate, *saying("Too late.")]
    run = await ann.ask(await ann.conversation(), "Hi")
    late = work.at_work(ObjectId(run["id"]))
    assert late is not None
    before = [metrics.runs_interrupted.value, metrics.runs_completed.value]
    at = now() - timedelta(seconds=LEASE_S)
    await database()["runs"].update_one({"_id": ObjectId(run["id"])}, {"$set": {"lease_expires_at": at}})
    await Reaper(MemoryJournal(), ()).reap()  # another process's
    gate.set()
    assert late.finished is not None
    await late.finished
    assert (await ann.ok("GET", f"/runs/{run['id']}"))["status"] == "interrupted"
    assert [metrics.runs_interrupted.value, metrics.runs_completed.value] == [before[0] + 1, before[1]]


async def test_a_run_whose_worker_lives_is_left_alone(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = [gate, *saying("x")]
    run = await ann.ask(await ann.conversation(), "Hi")
    await Reaper(work.journal(), ()).reap()
    assert (await ann.ok("GET", f"/runs/{run['id']}"))["status"] == "queued"
    at = now() - timedelta(seconds=1)
    await database()["runs"].update_one({"_id": ObjectId(run["id"])}, {"$set": {"lease_expires_at": at}})
    await Reaper(work.journal(), {ObjectId(run["id"])}).reap()
    assert (await ann.messages(run["conversation_id"]))[-1]["status"] == "streaming"
    gate.set()
    assert (await ann.at_rest(run["id"]))["status"] == "complete"


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_an_answer_that_its_late_worker_saves_meanwhile_is_what_the_run_rests_with(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    found = await lost(run["id"])
    of_message = {"_id": found.message_id}
    await database()["messages"].update_one(of_message, {"$set": {"status": "streaming"}})
    adopt = work.journal().adopt

    async def adopt_while_it_is_saved(run_id: ObjectId, *, position: int) -> Any:
        held = await adopt(run_id, position=position)
        await database()["messages"].update_one(of_message, {"$set": {"status": "complete", "text": "All of it."}})
        return held

    monkeypatch.setattr(work.journal(), "adopt", adopt_while_it_is_saved)
    await Reaper(work.journal(), ()).reap()
    assert (await ann.ok("GET", f"/runs/{run['id']}"))["status"] == "complete"
    assert await text_saved(run) == "All of it."


@pytest.mark.usefixtures("only_its_own_reaper")
async def test_two_reapers_bring_a_lost_run_to_rest_once(ann: Person, model: LanguageModel) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    await ann.at_rest(run["id"])
    found = await lost(run["id"])
    leases = [now() + timedelta(seconds=LEASE_S + number) for number in range(5)]
    claims = await asyncio.gather(
        *(store.claim_expired_run(found, worker="another", lease_expires_at=lease) for lease in leases)
    )
    assert [claim is not None for claim in claims].count(True) == 1


@pytest.mark.usefixtures("only_its_own_reaper")
@pytest.mark.parametrize("written", ["the run", "the run and the question", "all but the leaf", "everything"])
async def test_a_crash_while_a_run_is_written_shows_all_of_it_or_none(
    ann: Person, model: LanguageModel, written: str
) -> None:
    """What each prefix of the writes leaves, after the reaper has been there."""
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    await ann.at_rest(run["id"])
    lost_run = await lost(run["id"], status="queued")
    messages = database()["messages"]
    await messages.update_one({"_id": lost_run.message_id}, {"$set": {"status": "streaming", "text": "", "parts": []}})
    if written != "everything":
        before = {"leaf_id": None, "message_count": 0, "updated_at": lost_run.created_at - timedelta(seconds=1)}
        await database()["conversations"].update_one({"_id": lost_run.conversation_id}, {"$set": before})
    if written in ("the run", "the run and the question"):
        await messages.delete_one({"_id": lost_run.message_id})
    if written == "the run":
        await messages.delete_one({"_id": lost_run.user_message_id})
    await Reaper(work.journal(), ()).reap()
    shown = await ann.messages(conversation)
    stored = await messages.count_documents({"conversation_id": lost_run.conversation_id})
    count = (await ann.ok("GET", f"/conversations/{conversation}"))["message_count"]
    if written in ("the run", "the run and the question"):
        assert (shown, stored, count) == ([], 0, 0)
        await ann.ok("GET", f"/runs/{run['id']}", 404)
    else:
        assert [message["status"] for message in shown] == ["complete", "interrupted"]
        assert (stored, count) == (2, 2)
        assert (await ann.ok("GET", f"/runs/{run['id']}"))["status"] == "interrupted"
    await ann.at_rest((await ann.ask(conversation, "Again"))["id"])


async def test_draining_lets_answers_finish_and_takes_no_new_ones(
    ann: Person, model: LanguageModel, draining_undone: None
) -> None:
    gate = asyncio.Event()
    model.script = ["x", gate, *saying("y")]
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    lifecycle.start_draining()
    refused = await ann.ask(await ann.conversation(), "Hi", status=503)
    assert refused["code"] == "draining"
    draining = asyncio.create_task(work.drain(60))
    gate.set()
    await draining
    assert (await ann.messages(conversation))[-1]["status"] == "complete"
    lifecycle.open_for_work()
    assert (await ann.ok("GET", f"/runs/{run['id']}"))["status"] == "complete"


class SlowWriting:
    """Holds the writing of a run up until `gate` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.gate = asyncio.Event(), asyncio.Event()
        self._add_run = store.add_run
        monkeypatch.setattr(store, "add_run", self._write)

    async def _write(self, run: Run, messages: Sequence[Message]) -> None:
        self.reached.set()
        await self.gate.wait()
        await self._add_run(run, messages)


def asked(person: Person, conversation: str) -> "asyncio.Task[Run]":
    """A run that is being started, as the socket and the route start it."""
    ask = Ask(parts=[{"type": "text", "text": "Hi"}])
    return asyncio.create_task(runs.start_run(ObjectId(person.tokens["user"]["id"]), ObjectId(conversation), ask))


async def test_a_run_that_is_being_written_goes_on_when_its_sender_leaves(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = SlowWriting(monkeypatch)
    conversation = await ann.conversation()
    starting = asked(ann, conversation)
    await writing.reached.wait()
    starting.cancel()
    await asyncio.wait([starting])
    beginning = list(work._beginning)
    writing.gate.set()
    await asyncio.wait(beginning)
    shown = await ann.messages(conversation)
    assert len(shown) == 2
    assert (await ann.at_rest(shown[-1]["run_id"]))["status"] == "complete"


async def test_draining_waits_for_a_run_that_is_being_written(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, draining_undone: None
) -> None:
    writing = SlowWriting(monkeypatch)
    conversation = await ann.conversation()
    starting = asked(ann, conversation)
    await writing.reached.wait()
    lifecycle.start_draining()
    draining = asyncio.create_task(work.drain(60))
    await asyncio.sleep(0)
    writing.gate.set()
    await draining
    await starting
    lifecycle.open_for_work()
    assert [message["status"] for message in await ann.messages(conversation)] == ["complete", "complete"]


async def test_a_run_is_refused_when_draining_begins_while_it_is_prepared(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, draining_undone: None
) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()
    model_named = runs.model_named

    async def slowly(model_id: str | None, user_id: UserId | None = None) -> OfferedModel:
        reached.set()
        await gate.wait()
        return await model_named(model_id, user_id)

    monkeypatch.setattr(runs, "model_named", slowly)
    conversation = await ann.conversation()
    starting = asked(ann, conversation)
    await reached.wait()
    lifecycle.start_draining()
    gate.set()
    with pytest.raises(Draining):
        await starting
    assert await ann.messages(conversation) == []


async def test_draining_interrupts_what_does_not_finish_and_saves_it(
    ann: Person, model: LanguageModel, draining_undone: None
) -> None:
    model.script = ["Half", asyncio.Event()]
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Hi")
    reading = asyncio.create_task(ann.read(run["id"]))
    await read_until(ann, run["id"], 4)
    await work.drain(0)
    _, stream = await reading
    assert stream.last == {"type": "error", "errorText": "The answer was interrupted. What was written is kept."}
    answer = (await ann.messages(conversation))[-1]
    assert (answer["status"], answer["parts"][0]["text"]) == ("interrupted", "Half")
