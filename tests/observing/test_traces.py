"""The trace of an answer, as a collector gets it from a real server, and the lines of the log that name it."""

import asyncio
import re
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.fakes.collector import attributes_of
from tests.observing.conftest import BREAK_OFF, Observed
from tests.people import Person

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
POST_RUN = "POST /api/v1/conversations/<conversation_id>/runs"


async def arrived(observed: Observed, trace_id: str, *names: str) -> dict[str, Span]:
    """The trace's spans by their names, once these are there; the last of a name."""
    collector = observed.collector

    def spans() -> dict[str, Span]:
        return {span.name: span for span in list(collector.spans) if span.trace_id.hex() == trace_id}

    await asyncio.to_thread(collector.until, lambda: {*names} <= spans().keys())
    return spans()


def events_of(span: Span) -> list[str]:
    return [event.name for event in span.events]


async def test_a_streamed_answer_is_one_span_with_all_that_it_does_below_it(observed: Observed, ann: Person) -> None:
    tale = observed.tale(tokens=60, per_s=100)
    conversation = await ann.conversation()
    trace = "1" * 31 + "2"
    headers = {"traceparent": f"00-{trace}-{CALLER}-01", "X-Request-ID": "asked-by-ann", "Accept": "text/event-stream"}
    body = {"parts": [{"type": "text", "text": tale.question}]}
    path = f"/conversations/{conversation}/runs"
    async with ann.events(path, method="POST", json=body, headers=headers) as events:
        said = [chunk async for _, chunk in events]
    run_id = next(chunk["messageMetadata"]["runId"] for chunk in said if "messageMetadata" in chunk)
    model = "chat storyteller:latest"
    spans = await arrived(observed, trace, POST_RUN, "run", model, "insert runs", "update runs")

    request, run, call = spans[POST_RUN], spans["run"], spans[model]
    assert (request.parent_span_id.hex(), request.kind) == (CALLER, Span.SPAN_KIND_SERVER)
    assert (run.parent_span_id, call.parent_span_id) == (request.span_id, run.span_id)
    assert spans["insert runs"].parent_span_id == request.span_id
    assert spans["update runs"].parent_span_id == run.span_id
    me = (await ann.ok("GET", "/me"))["id"]
    assert attributes_of(request) == {
        "http.request.method": "POST",
        "http.route": "/api/v1/conversations/<conversation_id>/runs",
        "http.response.status_code": 200,
        "enduser.id": me,
        "eloquent.request_id": "asked-by-ann",
    }
    told = attributes_of(run)
    assert (told["eloquent.run_id"], told["eloquent.outcome"], told["enduser.id"]) == (run_id, "complete", me)
    assert (told["gen_ai.provider.name"], told["gen_ai.response.model"]) == ("ollama", "ollama/storyteller:latest")
    assert told["gen_ai.usage.output_tokens"] == 60
    asked = attributes_of(call)
    assert (asked["gen_ai.operation.name"], asked["gen_ai.request.model"]) == ("chat", "storyteller:latest")
    assert (asked["gen_ai.usage.input_tokens"], asked["gen_ai.usage.output_tokens"]) == (11, 60)
    assert attributes_of(spans["insert runs"]) == {
        "db.system.name": "mongodb",
        "db.operation.name": "insert",
        "db.collection.name": "runs",
    }
    assert (events_of(run), events_of(call)) == (["first_token"], ["first_token"])
    assert run.end_time_unix_nano > call.end_time_unix_nano > run.events[0].time_unix_nano > run.start_time_unix_nano
    every = [span for span in list(observed.collector.spans) if span.trace_id.hex() == trace]
    assert len(every) < 25  # none for a token
    redis = [span for span in every if attributes_of(span).get("db.system.name") == "redis"]
    assert "EVALSHA" in {span.name for span in redis}  # the limits
    assert {span.parent_span_id for span in redis} <= {request.span_id, run.span_id}
    assert [span.name for span in every if span.name == "run"] == ["run"]
    assert observed.collector.resources[0] == {
        "service.name": "chat-api",
        "deployment.environment.name": "test",
        "service.version": "eloquent@1.2.3",
    }


async def test_the_lines_of_an_answer_name_its_request_its_trace_its_user_and_its_run(
    observed: Observed, ann: Person
) -> None:
    trace = "1" * 31 + "3"
    conversation = await ann.conversation()
    headers = {"traceparent": f"00-{trace}-{CALLER}-01", "X-Request-ID": "told-in-the-log"}
    body = {"parts": [{"type": "text", "text": BREAK_OFF}]}
    run = await ann.ok("POST", f"/conversations/{conversation}/runs", 202, json=body, headers=headers)
    await ann.at_rest(run["id"])
    me = (await ann.ok("GET", "/me"))["id"]
    spans = await arrived(observed, trace, POST_RUN, "run")
    lines = {line["event"]: line for line in observed.written() if line.get("trace_id") == trace}
    request, failed = lines["request"], lines["run failed"]
    assert (request["request_id"], request["user"]) == ("told-in-the-log", me)
    assert request["span_id"] == spans[POST_RUN].span_id.hex()
    assert (failed["request_id"], failed["user"], failed["run_id"]) == ("told-in-the-log", me, run["id"])
    assert failed["span_id"] == spans["run"].span_id.hex()
    assert spans["run"].status.code == Status.STATUS_CODE_ERROR
    assert spans["chat storyteller:latest"].status.code == Status.STATUS_CODE_ERROR


async def test_a_stop_is_an_event_of_the_run(observed: Observed, ann: Person) -> None:
    trace = "1" * 31 + "4"
    tale = observed.tale(tokens=40, waits=(20,))
    conversation = await ann.conversation()
    headers = {"X-Amzn-Trace-Id": f"Self=1-2-3;Root=1-{trace[:8]}-{trace[8:]}"}
    body = {"parts": [{"type": "text", "text": tale.question}]}
    run = await ann.ok("POST", f"/conversations/{conversation}/runs", 202, json=body, headers=headers)
    async with ann.events(f"/runs/{run['id']}/stream") as events:
        async for _, chunk in events:
            if chunk["type"] == "text-delta":
                await ann.ok("POST", f"/runs/{run['id']}/stop")
                break
    spans = await arrived(observed, trace, "run")
    assert events_of(spans["run"]) == ["first_token", "stop"]
    assert attributes_of(spans["run"])["eloquent.outcome"] == "stopped"
    # The load balancer has named the trace and no parent.
    assert spans[POST_RUN].parent_span_id == b""
    assert spans["run"].status.code == Status.STATUS_CODE_UNSET


async def test_an_answer_over_a_socket_has_a_trace_of_its_own(observed: Observed, ann: Person) -> None:
    tale = observed.tale(tokens=20)
    conversation = await ann.conversation()
    async with ann.socket() as socket:
        await socket.ask("r", conversation, tale.question)
        await socket.read("r")
    collector = observed.collector
    await asyncio.to_thread(collector.until, lambda: collector.named("websocket send"))
    frame = collector.named("websocket send")[-1]
    spans = await arrived(observed, frame.trace_id.hex(), "run")
    assert (spans["run"].parent_span_id, frame.parent_span_id) == (frame.span_id, b"")


async def test_the_lines_of_an_answer_over_a_socket_have_ids_too(observed: Observed, ann: Person) -> None:
    me = (await ann.ok("GET", "/me"))["id"]
    async with ann.socket() as socket:
        await socket.ask("r", await ann.conversation(), BREAK_OFF)
        await socket.read_rest()
    [failed] = [line for line in observed.written() if line.get("event") == "run failed" and line.get("user") == me]
    assert len(failed["request_id"]) == len(failed["trace_id"]) == 32
    assert (len(failed["span_id"]), len(failed["run_id"])) == (16, 24)


async def test_no_span_says_what_was_asked_or_who_asked(observed: Observed, ann: Person) -> None:
    tale = observed.tale(tokens=20)
    trace = "1" * 31 + "5"
    conversation = await ann.conversation(title="A secret title")
    body = {"parts": [{"type": "text", "text": tale.question}]}
    headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
    run = await ann.ok("POST", f"/conversations/{conversation}/runs", 202, json=body, headers=headers)
    await ann.at_rest(run["id"])
    await arrived(observed, trace, "run", POST_RUN)
    everything = b"".join(span.SerializeToString() for span in list(observed.collector.spans))
    for word in ("secret title", "Tell tale", tale.text()[:12], ann.email, "example.org", ann.tokens["access_token"]):
        assert word.encode() not in everything


async def test_health_checks_have_no_trace_and_lists_have_one(observed: Observed, ann: Person) -> None:
    trace = "1" * 31 + "6"
    headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
    for path in ("/healthz", "/readyz"):
        assert (await ann.http.get(f"{ann.server}{path}", headers=headers)).status_code == 200
    await ann.ok("GET", "/conversations", headers=headers)
    spans = await arrived(observed, trace, "GET /api/v1/conversations")
    assert not any(re.search("healthz|readyz", span.name) for span in list(observed.collector.spans))
    assert "find conversations" in spans


@pytest.mark.parametrize("flags", ["00"])
async def test_whoever_calls_may_ask_not_to_be_traced(observed: Observed, ann: Person, flags: str) -> None:
    quiet, loud = "1" * 31 + "7", "1" * 31 + "8"
    await ann.ok("GET", "/me", headers={"traceparent": f"00-{quiet}-{CALLER}-{flags}"})
    await ann.ok("GET", "/me", headers={"traceparent": f"00-{loud}-{CALLER}-01"})
    await arrived(observed, loud, "GET /api/v1/me")
    assert [span.name for span in list(observed.collector.spans) if span.trace_id.hex() == quiet] == []
    # The log has it all the same.
    lines: list[dict[str, Any]] = [line for line in observed.written() if line.get("trace_id") == quiet]
    assert [line["event"] for line in lines] == ["request"]
