"""Runs over HTTP: an answer is started, read, left, resumed and stopped, and what was shown is kept."""

import asyncio
from typing import Any

import orjson
import pytest
from bson import ObjectId

from chat import answering, branches, store, work
from chat.journal import MemoryJournal
from chat.types import Run
from eloquent.foundation.database import database
from inference.errors import ModelBusy
from inference.providers.scripted import saying
from inference.types import Finished, FinishReason, Status, TextDelta, Usage
from tests.chat.conftest import LanguageModel
from tests.chat.ui_stream import UIStream
from tests.commands import recorded_commands
from tests.people import Person


async def test_an_answer_streams_as_server_sent_events_and_is_kept(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    stream = UIStream()
    async with ann.events(
        f"/conversations/{conversation}/runs",
        method="POST",
        json={"parts": [{"type": "text", "text": "Hi"}]},
        headers={"Accept": "text/event-stream"},
    ) as events:
        async for _, chunk in events:
            stream.feed(chunk)
    assert stream.text == "Hello there!"
    assert stream.last is not None
    assert stream.last["finishReason"] == "stop"
    question, answer = await ann.messages(conversation)
    assert (question["role"], question["parts"]) == ("user", [{"type": "text", "text": "Hi"}])
    assert (answer["id"], answer["status"]) == (stream.message_id, "complete")
    assert answer["parts"] == [{"type": "text", "text": "Hello there!"}]
    assert answer["parent_id"] == question["id"]
    assert answer["usage"] == {"inputTokens": 1, "outputTokens": 3, "reported": True, "finishReason": "stop"}


async def test_the_stream_has_the_headers_that_clients_and_proxies_need(ann: Person, model: LanguageModel) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    async with ann.http.stream("GET", f"/runs/{run['id']}/stream") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store, no-transform"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert (await answer.aread()).endswith(b"data: [DONE]\n\n")


async def test_without_an_event_stream_wanted_the_run_is_answered_at_once(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["Word", gate, *saying()]
    run = await ann.ask(await ann.conversation(), "Hi")
    assert run["status"] in ("queued", "streaming")
    gate.set()
    assert (await ann.at_rest(run["id"]))["status"] == "complete"


async def test_the_answer_goes_on_when_its_reader_leaves(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["One", gate, *saying(" two")]
    run = await ann.ask(await ann.conversation(), "Count")
    async with ann.events(f"/runs/{run['id']}/stream") as events:
        async for _, chunk in events:
            if chunk["type"] == "text-delta":
                break
    gate.set()
    assert (await ann.at_rest(run["id"]))["status"] == "complete"
    assert (await ann.messages(run["conversation_id"]))[-1]["parts"][0]["text"] == "One two"


async def test_a_reader_resumes_at_any_event_with_nothing_lost_or_twice(ann: Person, model: LanguageModel) -> None:
    gates = [asyncio.Event() for _ in range(5)]
    model.script = [step for number, gate in enumerate(gates) for step in (f"w{number} ", gate)] + saying("end")
    run = await ann.ask(await ann.conversation(), "Count")
    reading = asyncio.create_task(ann.read(run["id"]))
    for gate in gates:
        gate.set()
    ids, whole = await reading
    assert ids == list(range(len(ids)))
    for after in range(len(ids)):
        async with ann.events(f"/runs/{run['id']}/stream", headers={"Last-Event-ID": str(after)}) as events:
            assert [number async for number, _ in events] == ids[after + 1 :]
    assert whole.text == "w0 w1 w2 w3 w4 end"


async def test_a_reader_in_the_middle_of_an_answer_gets_its_beginning_and_the_rest(
    ann: Person, model: LanguageModel
) -> None:
    gate = asyncio.Event()
    model.script = ["first", gate, *saying(" second")]
    run = await ann.ask(await ann.conversation(), "Hi")
    stream = UIStream()
    async with ann.events(f"/runs/{run['id']}/stream") as events:
        async for _, chunk in events:
            stream.feed(chunk)
            if chunk["type"] == "text-delta":
                gate.set()
    assert stream.text == "first second"


async def test_a_run_is_counted_once_while_it_begins(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST_RUNS_OF_A_USER", 2)
    counted = []

    def look(run: Run, _title: str | None) -> None:
        work.require_room(run.user_id)
        counted.append(run.id)

    monkeypatch.setattr(work.notices, "tell_started", look)
    run = await ann.ask(await ann.conversation(), "Hi")
    assert counted == [ObjectId(run["id"])]
    await ann.at_rest(run["id"])


async def test_a_late_reader_is_served_from_the_saved_message(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    live_ids, live = await ann.read(run["id"])
    monkeypatch.setitem(work._journals, asyncio.get_running_loop(), MemoryJournal())
    ids, replayed = await ann.read(run["id"])
    # A reader who is cut off within it begins anew: only the last event has a position that can be gone on from.
    assert set(ids[:-1]) == {-1}
    assert ids[-1] == live_ids[-1]
    assert (replayed.parts, replayed.message_id) == (live.parts, live.message_id)
    assert context_of(replayed) == {**context_of(live), "truncated_by_provider": False}


@pytest.mark.parametrize("words", [0, 1, 3], ids=["before the first token", "after one", "after three"])
async def test_a_stopped_answer_keeps_the_text_so_far(ann: Person, model: LanguageModel, words: int) -> None:
    never = asyncio.Event()
    model.script = [*(["word "] * words), never]
    run = await ann.ask(await ann.conversation(), "Talk")
    await model.provider.until(1)
    if words:
        async with ann.events(f"/runs/{run['id']}/stream") as events:
            shown = ""
            async for _, chunk in events:
                shown += chunk.get("delta", "")
                if len(shown) == 5 * words:
                    break
    stopped = await ann.ok("POST", f"/runs/{run['id']}/stop")
    assert stopped["status"] == "stopped"
    await model.provider.until_idle()
    answer = (await ann.messages(run["conversation_id"]))[-1]
    assert answer["status"] == "stopped"
    assert "".join(part["text"] for part in answer["parts"]) == "word " * words
    _, stream = await ann.read(run["id"])
    assert stream.last == {"type": "abort"}
    assert stream.text == "word " * words


async def test_stopping_a_run_at_rest_changes_nothing(ann: Person, model: LanguageModel) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    rest = await ann.at_rest(run["id"])
    assert await ann.ok("POST", f"/runs/{run['id']}/stop") == rest


async def test_a_model_that_fails_in_the_middle_leaves_its_text_and_a_sentence(
    ann: Person, model: LanguageModel
) -> None:
    model.script = ["Half of", ModelBusy("scripted")]
    run = await ann.ask(await ann.conversation(), "Hi")
    _, stream = await ann.read(run["id"])
    assert stream.last == {"type": "error", "errorText": "scripted is busy. Try again in 5 s."}
    answer = (await ann.messages(run["conversation_id"]))[-1]
    assert (answer["status"], answer["parts"][0]["text"]) == ("failed", "Half of")
    assert answer["error"] == {"code": "model_busy", "detail": "scripted is busy. Try again in 5 s."}
    assert (await ann.ok("GET", f"/runs/{run['id']}"))["error"] == answer["error"]


async def test_a_bug_in_a_provider_is_a_failed_answer_without_internals(ann: Person, model: LanguageModel) -> None:
    model.script = ["Half", RuntimeError("secret path /etc/passwd")]
    run = await ann.ask(await ann.conversation(), "Hi")
    _, stream = await ann.read(run["id"])
    assert stream.last == {"type": "error", "errorText": "scripted failed while it worked on the answer. Try again."}
    assert (await ann.messages(run["conversation_id"]))[-1]["status"] == "failed"


async def test_a_loading_model_is_told(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = [Status("loading", 0.5), gate, *saying("Hi")]
    run = await ann.ask(await ann.conversation(), "Hi")
    stream = UIStream()
    async with ann.events(f"/runs/{run['id']}/stream") as events:
        async for _, chunk in events:
            stream.feed(chunk)
            if chunk["type"] == "data-status":
                assert (await ann.ok("GET", f"/runs/{run['id']}"))["status"] == "loading"
                gate.set()
    assert {"type": "data-status", "data": {"state": "loading", "elapsed_s": 0.5}, "transient": True} in stream.data


async def test_a_repeated_idempotency_key_returns_the_first_run(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    first = await ann.ask(conversation, "Hi", key="once")
    repeated = await asyncio.gather(*(ann.ask(conversation, "Hi", key="once") for _ in range(5)))
    assert {run["id"] for run in repeated} == {first["id"]}
    await ann.at_rest(first["id"])
    assert len(await ann.messages(conversation)) == 2
    assert (await ann.ask(conversation, "Hi", key="once"))["id"] == first["id"]


async def test_one_key_sent_twice_at_once_makes_one_run(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    made = await asyncio.gather(*(ann.ask(conversation, "Hi", key="race") for _ in range(8)))
    assert len({run["id"] for run in made}) == 1
    await ann.at_rest(made[0]["id"])
    assert len(await ann.messages(conversation)) == 2


async def test_a_key_of_another_conversation_is_refused_rather_than_losing_the_message(
    ann: Person, model: LanguageModel
) -> None:
    await ann.ask(await ann.conversation(), "Hi", key="once")
    other = await ann.conversation()
    assert (await ann.ask(other, "Something else", status=422, key="once"))["code"] == "idempotency_key_used"
    assert await ann.messages(other) == []


async def test_two_users_may_use_the_same_key(ann: Person, bob: Person, model: LanguageModel) -> None:
    mine = await ann.ask(await ann.conversation(), "Hi", key="same")
    theirs = await bob.ask(await bob.conversation(), "Hi", key="same")
    assert mine["id"] != theirs["id"]


async def test_a_branch_has_one_answer_in_the_making(ann: Person, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = ["x", gate, *saying()]
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "One")
    assert (await ann.ask(conversation, "Two", status=409))["code"] == "branch_busy"
    assert (await ann.ask(conversation, "Two", status=409, parent_id=None))["code"] == "branch_busy"
    gate.set()
    await ann.at_rest(run["id"])
    await ann.at_rest((await ann.ask(conversation, "Two"))["id"])
    texts = [message["parts"][0]["text"] for message in await ann.messages(conversation)]
    assert texts == ["One", "x", "Two", "x"]


async def test_of_many_sends_at_once_one_wins_and_leaves_no_trace_of_the_others(
    ann: Person, model: LanguageModel
) -> None:
    gate = asyncio.Event()
    model.script = ["x", gate, *saying()]
    conversation = await ann.conversation()
    path = f"/conversations/{conversation}/runs"
    body = {"parts": [{"type": "text", "text": "Hi"}]}
    answers = await asyncio.gather(*(ann.http.post(path, json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409, 409]
    gate.set()
    await ann.at_rest(next(answer.json()["id"] for answer in answers if answer.status_code == 202))
    assert (await ann.ok("GET", f"/conversations/{conversation}"))["message_count"] == 2
    written = {"conversation_id": ObjectId(conversation)}
    assert await database()["messages"].count_documents(written) == 2
    assert await database()["runs"].count_documents(written) == 1


async def test_the_model_sees_the_branch_and_the_system_prompt(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation(system_prompt="Be brief.")
    await ann.at_rest((await ann.ask(conversation, "One"))["id"])
    await ann.at_rest((await ann.ask(conversation, "Two"))["id"])
    said = [(message.role, message.content) for message in model.provider.requests[-1].messages]
    assert said == [("system", "Be brief."), ("user", "One"), ("assistant", "Hello there!"), ("user", "Two")]


async def test_a_message_to_an_earlier_answer_begins_a_branch(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    first = await ann.ask(conversation, "One")
    await ann.at_rest(first["id"])
    await ann.at_rest((await ann.ask(conversation, "Two"))["id"])
    await ann.at_rest((await ann.ask(conversation, "Other", parent_id=first["message_id"]))["id"])
    texts = [message["parts"][0]["text"] for message in await ann.messages(conversation)]
    assert texts == ["One", "Hello there!", "Other", "Hello there!"]


@pytest.mark.parametrize("parent", ["user", "elsewhere", "nowhere"])
async def test_a_parent_that_cannot_be_answered_is_refused(ann: Person, model: LanguageModel, parent: str) -> None:
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "One")
    await ann.at_rest(run["id"])
    other = await ann.ask(await ann.conversation(), "Elsewhere")
    await ann.at_rest(other["id"])
    parents = {"user": run["user_message_id"], "elsewhere": other["message_id"], "nowhere": "0" * 24}
    assert (await ann.ask(conversation, "Two", status=422, parent_id=parents[parent]))["code"] == "parent_unknown"
    await ann.at_rest((await ann.ask(conversation, "Two", parent_id=run["message_id"]))["id"])


async def test_the_first_words_become_the_title(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "How do rainbows come about?")
    _, stream = await ann.read(run["id"])
    assert stream.data[0]["data"] == {"title": "How do rainbows come about?"}
    assert (await ann.ok("GET", f"/conversations/{conversation}"))["title"] == "How do rainbows come about?"


def context_of(stream: UIStream) -> dict[str, Any]:
    """What the stream's one `data-context` says."""
    [context] = [chunk for chunk in stream.data if chunk["type"] == "data-context"]
    assert context["transient"] is True
    value: dict[str, Any] = context["data"]
    return value


async def test_what_the_model_is_shown_is_said_with_every_answer_and_kept(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "Why is the sky blue?")
    _, stream = await ann.read(run["id"])
    context = context_of(stream)
    assert 5 <= context["used"] <= 20
    assert context["limit"] == 6144
    assert (context["dropped"], context["more_dropped"]) == (0, False)
    assert context["kept_from"] == run["user_message_id"]
    question, answer = await ann.messages(conversation)
    assert answer["context"] == {**context, "truncated_by_provider": False}
    assert question["context"] is None


async def test_what_does_not_fit_is_left_out_openly(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    long = await ann.ask(conversation, "x " * 7_000)
    await ann.at_rest(long["id"])
    run = await ann.ask(conversation, "And now?")
    _, stream = await ann.read(run["id"])
    context = context_of(stream)
    assert (context["dropped"], context["more_dropped"]) == (2, False)
    assert context["kept_from"] == run["user_message_id"]
    assert len(model.provider.requests[-1].messages) == 1
    assert (await ann.messages(conversation))[-1]["context"]["dropped"] == 2


async def test_messages_too_old_to_be_read_are_said_to_be_left_out(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branches, "HISTORY_MESSAGES", 2)
    conversation = await ann.conversation()
    for text in ("One", "Two"):
        _, stream = await ann.read((await ann.ask(conversation, text))["id"])
        assert context_of(stream)["more_dropped"] is False
    _, stream = await ann.read((await ann.ask(conversation, "Three"))["id"])
    assert (context_of(stream)["dropped"], context_of(stream)["more_dropped"]) == (0, True)


async def test_a_message_larger_than_the_whole_window_is_refused_and_not_cut(ann: Person, model: LanguageModel) -> None:
    conversation = await ann.conversation()
    refused = await ann.ask(conversation, "x " * 8_200, 422)
    assert refused["code"] == "message_too_long_for_model"
    assert refused["window"] == 8192
    assert refused["tokens"] > 8192
    assert await ann.messages(conversation) == []
    run = await ann.ask(conversation, "x " * 8_000)
    _, stream = await ann.read(run["id"])
    assert context_of(stream)["used"] > context_of(stream)["limit"]


@pytest.mark.parametrize(("counted", "truncated"), [(1_000, True), (1_900, False), (None, False)])
async def test_a_server_that_read_less_than_it_was_sent_is_told_on(
    ann: Person, model: LanguageModel, counted: int | None, truncated: bool
) -> None:
    model.script = saying("Yes.", usage=Usage(input_tokens=counted, output_tokens=1, reported=True))
    conversation = await ann.conversation()
    run = await ann.ask(conversation, "word " * 2_000)
    _, stream = await ann.read(run["id"])
    notices = [chunk for chunk in stream.data if chunk["type"] == "data-notice"]
    assert [notice["data"]["code"] for notice in notices] == (["truncated_by_provider"] if truncated else [])
    assert stream.last is not None
    assert stream.last["type"] == "finish"
    answer = (await ann.messages(conversation))[-1]
    assert (answer["context"]["truncated_by_provider"], answer["status"]) == (truncated, "complete")
    assert answer["context"]["used"] == context_of(stream)["used"]


async def test_options_reach_the_model(ann: Person, model: LanguageModel) -> None:
    run = await ann.ask(await ann.conversation(), "Hi", options={"temperature": 0.3, "stop": ["END"]})
    await ann.at_rest(run["id"])
    options = model.provider.requests[-1].options
    assert (options.temperature, options.stop) == (0.3, ("END",))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"parts": []},
        {"parts": [{"type": "text", "text": ""}]},
        {"parts": [{"type": "text", "text": "   "}]},
        {"parts": [{"type": "file", "url": "data:"}]},
        {"parts": [{"type": "text", "text": "x" * 32_001}]},
        {"parts": [{"type": "text", "text": "x"}] * 33},
        {"parts": [{"type": "text", "text": "x"}], "options": {"temperature": 3}},
        {"parts": [{"type": "text", "text": "x"}], "options": {"seed": 2**63}},
        {"parts": [{"type": "text", "text": "x"}], "parent_id": "x"},
        {"parts": [{"type": "text", "text": "x"}], "extra": 1},
        {"parts": [{"type": "text", "text": "x"}], "model": "nobody/has-this"},
    ],
    ids=lambda body: str(body)[:50],
)
async def test_a_send_that_cannot_be_used_is_refused_with_a_problem(
    ann: Person, model: LanguageModel, body: dict[str, object]
) -> None:
    conversation = await ann.conversation()
    problem = await ann.ok("POST", f"/conversations/{conversation}/runs", 422, json=body)
    assert problem["detail"]
    assert problem["request_id"]
    assert await ann.messages(conversation) == []
    await ann.ask(conversation, "x")


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xed\xa0\x80"', b'"\xff"'], ids=["escaped", "raw", "not UTF-8"])
async def test_text_that_is_no_unicode_is_refused(ann: Person, model: LanguageModel, text: bytes) -> None:
    conversation = await ann.conversation()
    body = b'{"parts":[{"type":"text","text":' + text + b"}]}"
    problem = await ann.ok(
        "POST", f"/conversations/{conversation}/runs", 422, content=body, headers={"Content-Type": "application/json"}
    )
    assert problem["code"] == "invalid_input"


async def test_unicode_arrives_and_is_kept_as_it_was(ann: Person, model: LanguageModel) -> None:
    storm = "naïve 日本語 👩‍👩‍👧‍👦 \u202e\u2028 \x00 <script>&amp; é"
    model.script = saying(*storm)
    run = await ann.ask(await ann.conversation(), storm)
    _, stream = await ann.read(run["id"])
    assert stream.text == storm
    assert [message["parts"][0]["text"] for message in await ann.messages(run["conversation_id"])] == [storm, storm]


@pytest.mark.parametrize("position", ["-1", "x", "1.5", "٣", "9" * 13])
async def test_a_made_up_last_event_id_is_refused(ann: Person, model: LanguageModel, position: str) -> None:
    run = await ann.ask(await ann.conversation(), "Hi")
    problem = await ann.ok("GET", f"/runs/{run['id']}/stream", 422, headers={b"Last-Event-ID": position.encode()})
    assert problem["code"] == "invalid_input"


async def test_the_first_words_are_never_held_back(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "HELD_BACK_S", 3600)
    monkeypatch.setattr(answering, "KEEP_EVERY_S", 3600)
    gate = asyncio.Event()
    model.script = ["First", gate, *saying(" then", " the rest")]
    run = await ann.ask(await ann.conversation(), "Hi")
    async with ann.events(f"/runs/{run['id']}/stream") as events:
        deltas = []
        async for _, chunk in events:
            if chunk["type"] == "text-delta":
                deltas.append(chunk["delta"])
                gate.set()
    assert deltas == ["First", " then the rest"]


async def test_many_small_pieces_become_few_chunks(ann: Person, model: LanguageModel) -> None:
    model.script = [*(TextDelta("x") for _ in range(5000)), Finished(FinishReason.STOP, Usage())]
    _, stream = await ann.read((await ann.ask(await ann.conversation(), "Hi"))["id"])
    assert stream.text == "x" * 5000
    assert stream.deltas < 100


async def test_a_user_has_a_bounded_number_of_answers_at_once(
    ann: Person, bob: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST_RUNS_OF_A_USER", 2)
    gate = asyncio.Event()
    model.script = [gate, *saying("x")]
    started = [await ann.ask(await ann.conversation(), "Hi") for _ in range(2)]
    refused = await ann.http.post(
        f"/conversations/{await ann.conversation()}/runs",
        content=orjson.dumps({"parts": [{"type": "text", "text": "x"}]}),
    )
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_runs")
    assert refused.headers["Retry-After"] == "5"
    await bob.ask(await bob.conversation(), "Hi")
    gate.set()
    for run in started:
        await ann.at_rest(run["id"])
    await ann.ask(await ann.conversation(), "Hi")


async def test_the_bound_holds_for_runs_that_are_started_at_the_same_moment(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST_RUNS_OF_A_USER", 2)
    model.script = [asyncio.Event()]
    paths = [f"/conversations/{await ann.conversation()}/runs" for _ in range(5)]
    body = {"parts": [{"type": "text", "text": "x"}]}
    answers = await asyncio.gather(*(ann.http.post(path, json=body) for path in paths))
    assert sorted(answer.status_code for answer in answers) == [202, 202, 429, 429, 429]


@pytest.mark.parametrize("step", ["add_run", "show_run"])
async def test_a_send_that_a_deletion_overtakes_leaves_nothing_behind(
    ann: Person, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    conversation = await ann.conversation()
    model.script = ["Half", asyncio.Event()]
    write = getattr(store, step)

    async def overtaken(*run_and_messages: Any) -> None:
        if step == "show_run":
            await model.provider.until(1)  # it is asked while the answer is being shown
        await ann.ok("DELETE", f"/conversations/{conversation}", 204)
        await write(*run_and_messages)

    monkeypatch.setattr(store, step, overtaken)
    assert (await ann.ask(conversation, "Hi", 404))["code"] == "not_found"
    for collection in ("messages", "runs"):
        assert await database()[collection].count_documents({"conversation_id": ObjectId(conversation)}) == 0
    await model.provider.until_idle()
    assert not work._at_work


@pytest.mark.parametrize("named", [False, True])
async def test_an_answer_begins_after_one_read(ann: Person, model: LanguageModel, named: bool) -> None:
    """The first word waits for it: the conversation and what was said in it come together."""
    conversation = await ann.conversation(title="Tea")
    first = await ann.at_rest((await ann.ask(conversation, "Hi"))["id"])
    gate = asyncio.Event()
    model.script = [gate, *saying("x")]
    with recorded_commands() as commands:
        run = await ann.ask(conversation, "Again", **({"parent_id": first["message_id"]} if named else {}))
    gate.set()
    await ann.at_rest(run["id"])
    chats = {"conversations", "messages"}  # the reaper reads runs meanwhile
    sent = [(command.name, command.collection) for command in commands if command.collection in chats]
    assert [command for command in sent if command[0] in {"find", "aggregate"}] == [("aggregate", "conversations")]
    assert [message.content for message in model.provider.requests[-1].messages] == ["Hi", "Hello there!", "Again"]
