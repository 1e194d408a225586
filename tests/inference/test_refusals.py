"""What a server refuses, and what the person who asked reads about it."""

import pytest

from inference.errors import (
    InferenceError,
    ModelAccessDenied,
    ModelBusy,
    ModelFailed,
    ModelMissing,
    PromptRejected,
    PromptTooLong,
    VendorError,
)
from tests.inference.replay import Recorded, ReplayServer, Reply, recorded
from tests.inference.rigs import ASKED, WIRE_RIGS, collected

PATHS = {rig.kind: rig for rig in WIRE_RIGS}


def json_of(status: int, body: str) -> Recorded:
    return Recorded(status, "application/json", (body,), is_whole=True)


REFUSALS = [
    ("ollama", recorded("ollama_unknown_model"), ModelMissing, "model 'no-such-model' not found"),
    ("ollama", recorded("ollama_bad_option"), PromptRejected, "must be of type integer"),
    ("ollama", recorded("ollama_bad_role_type"), PromptRejected, "cannot unmarshal"),
    ("ollama", recorded("ollama_tools_unsupported"), PromptRejected, "does not support tools"),
    ("ollama", recorded("ollama_bad_schema"), PromptRejected, "JSON schema conversion failed"),
    ("ollama", recorded("ollama_overflow"), PromptTooLong, "request (613 tokens) exceeds"),
    ("ollama", recorded("ollama_busy"), ModelBusy, "maximum pending requests exceeded"),
    ("ollama", recorded("ollama_foreign_host"), ModelAccessDenied, ""),
    ("ollama", json_of(500, '{"error":"llama-server process has terminated: signal"}'), ModelFailed, "terminated"),
    ("ollama", Recorded(404, "text/plain", ("404 page not found",), is_whole=True), ModelFailed, "page not found"),
    ("ollama", Recorded(502, "text/html", ("<html>Bad gateway 10.0.0.7",), is_whole=True), ModelFailed, "10.0.0.7"),
    ("openai", recorded("openai_unknown_model"), ModelMissing, "model 'no-such-model' not found"),
    ("openai", recorded("openai_busy"), ModelBusy, "maximum pending requests exceeded"),
    ("openai", json_of(401, '{"error":{"message":"Incorrect API key: sk-abc"}}'), ModelAccessDenied, "sk-abc"),
    ("openai", json_of(402, '{"error":{"message":"No credit"}}'), ModelAccessDenied, "No credit"),
    ("openai", json_of(429, '{"error":{"message":"Rate limit of org-7"}}'), ModelBusy, "org-7"),
    ("openai", json_of(400, '{"error":{"message":"x","code":"model_not_found"}}'), ModelMissing, "x"),
    ("openai", json_of(400, '{"error":{"message":"m","code":"context_length_exceeded"}}'), PromptTooLong, "m"),
    (
        "openai",
        json_of(400, '{"object":"error","message":"This model\'s maximum context length is 9"}'),
        PromptTooLong,
        "9",
    ),
    ("openai", json_of(422, '{"detail":[{"loc":["body"],"msg":"field"}]}'), PromptRejected, "field"),
    ("openai", json_of(500, "[]"), ModelFailed, "[]"),
    ("openai", json_of(529, '{"error":{"type":"overloaded"}}'), ModelBusy, "overloaded"),
    ("llamacpp", recorded("llamacpp_overflow"), PromptTooLong, "exceeds the available context size"),
    ("llamacpp", json_of(503, '{"error":{"message":"No free slot"}}'), ModelBusy, "No free slot"),
]


@pytest.mark.parametrize(
    ("kind", "reply", "expected", "words"),
    REFUSALS,
    ids=[f"{kind}-{reply.status}-{words}" for kind, reply, _, words in REFUSALS],
)
async def test_each_refusal_is_one_of_our_errors_with_the_servers_words_for_the_log_alone(
    replay: ReplayServer, kind: str, reply: Recorded, expected: type[InferenceError], words: str
) -> None:
    rig = PATHS[kind]
    replay.replies[rig.path] = reply.reply()
    events, error = await collected(rig.provider(replay).answer(ASKED))
    assert (events, type(error)) == ([], expected)
    assert isinstance(error, InferenceError)
    assert isinstance(error.__cause__, VendorError)
    assert error.__cause__.status == reply.status
    assert words in error.__cause__.text
    if len(words) > 2:
        assert words not in f"{error.detail} {error.extra}"
    assert error.detail.endswith(".")


async def test_a_busy_server_says_when_to_come_back(replay: ReplayServer) -> None:
    rig = PATHS["openai"]
    wire = recorded("openai_busy").wire().replace(b"Content-Type", b"Retry-After: 17\r\nContent-Type", 1)
    replay.replies[rig.path] = Reply(wire)
    _, error = await collected(rig.provider(replay).answer(ASKED))
    assert isinstance(error, ModelBusy)
    assert error.headers["Retry-After"] == "17"
    assert "17 s" in error.detail


async def test_a_refusal_without_end_is_not_read_to_its_end(replay: ReplayServer) -> None:
    rig = PATHS["ollama"]
    head = b"HTTP/1.1 500 Whatever\r\nContent-Length: 999999999\r\n\r\n"
    replay.replies[rig.path] = Reply(head + b"x" * 200_000, closes=True)
    _, error = await collected(rig.provider(replay).answer(ASKED))
    assert type(error) is ModelFailed
