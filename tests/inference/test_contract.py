"""What every provider promises (inference/providers/base.py), over real HTTP on bytes that real servers wrote."""

import asyncio
import socket

import pytest

from inference.errors import AnswerCutOff, InferenceError, ModelFailed, ModelUnreachable
from inference.types import Finished, GenerationOptions, PromptRequest, TextDelta
from tests.inference.replay import ReplayServer, Reply, recorded
from tests.inference.rigs import ASKED, RIGS, SECRETS, WIRE_RIGS, Rig, collected, folded, provider_at, text_of
from tests.inference.test_decoders import decoded

every_provider = pytest.mark.parametrize("rig", RIGS, ids=lambda rig: rig.kind)
_BOUNDS = {"ollama": "num_predict", "vendor_openai": "max_completion_tokens", "bedrock": "maxTokens"}
every_wire = pytest.mark.parametrize("rig", WIRE_RIGS, ids=lambda rig: rig.kind)


@every_provider
async def test_an_answer_is_its_text_and_then_one_finished(replay: ReplayServer, rig: Rig) -> None:
    events, error = await collected(rig.play(replay, "answer").answer(ASKED))
    assert error is None
    assert folded(events) == [TextDelta(rig.text), rig.finished]
    assert [type(event) for event in events].count(Finished) == 1


@every_wire
async def test_all_text_of_one_network_read_is_one_delta(replay: ReplayServer, rig: Rig) -> None:
    events, _ = await collected(rig.play(replay, "answer").answer(ASKED))
    assert events == [TextDelta(rig.text), rig.finished]


@every_wire
async def test_an_answer_split_at_any_byte_is_the_same(replay: ReplayServer, rig: Rig) -> None:
    provider = rig.play(replay, "answer")
    wire = recorded(f"{rig.kind}_answer").wire()
    reads = set()
    for position in range(1, len(wire)):
        rig.play(replay, "answer", cuts=[position])
        events, error = await collected(provider.answer(ASKED))
        assert (folded(events), error) == ([TextDelta(rig.text), rig.finished], None), f"split after byte {position}"
        reads.add(len(events))
    assert len(reads) > 1, "no split reached the provider"


@every_wire
async def test_an_answer_that_comes_byte_by_byte_is_the_same(replay: ReplayServer, rig: Rig) -> None:
    wire = recorded(f"{rig.kind}_answer").wire()
    events, error = await collected(rig.play(replay, "answer", cuts=range(1, len(wire))).answer(ASKED))
    assert (folded(events), error) == ([TextDelta(rig.text), rig.finished], None)
    assert len(events) > 3


@every_provider
@pytest.mark.parametrize("case", ["silent_end", "eof"])
async def test_an_answer_without_its_end_mark_is_cut_off_and_its_text_is_kept(
    replay: ReplayServer, rig: Rig, case: str
) -> None:
    events, error = await collected(rig.play(replay, case).answer(ASKED))
    assert type(error) is AnswerCutOff
    assert text_of(events).startswith(rig.text[:8])
    assert not any(isinstance(event, Finished) for event in events)


@every_wire
async def test_a_connection_lost_at_any_byte_of_the_body_never_passes_for_a_whole_answer(
    replay: ReplayServer, rig: Rig
) -> None:
    whole = recorded(f"{rig.kind}_answer")
    wire, head = whole.wire(), whole.wire().index(b"\r\n\r\n") + 4
    for position in range(head, len(wire), 7):
        replay.replies[rig.path] = Reply(wire[:position], closes=True)
        events, error = await collected(rig.provider(replay).answer(ASKED))
        if error is None:
            # Only once the server has said why it ended; the usage may have come after that, and be lost.
            assert text_of(events) == rig.text
            assert isinstance(events[-1], Finished)
            assert events[-1].reason == rig.finished.reason
        else:
            assert type(error) is AnswerCutOff
            assert rig.text.startswith(text_of(events))


@every_wire
async def test_what_arrived_before_a_connection_broke_is_handed_on_however_late_it_is_read(
    replay: ReplayServer, rig: Rig
) -> None:
    lost = recorded(f"{rig.kind}_eof")
    head = lost.wire().index(b"\r\n", lost.wire().index(b"\r\n\r\n") + 4)
    provider = rig.play(replay, "eof", cuts=[lost.wire().index(b"\r\n", head + 2) + 2])
    events = provider.answer(ASKED)
    came = [await anext(events)]
    await replay.until(replied=1)
    for _ in range(5):
        await asyncio.sleep(0)  # the rest and the end reach the client while it is busy with the first event
    rest, error = await collected(events)
    assert type(error) is AnswerCutOff
    expected, _, _ = decoded(rig.decoder, lost.body)
    assert folded([*came, *rest]) == expected


@every_provider
async def test_an_error_inside_the_stream_comes_after_the_text_and_without_the_servers_words(
    replay: ReplayServer, rig: Rig
) -> None:
    events, error = await collected(rig.play(replay, "error_in_stream").answer(ASKED))
    assert text_of(events).startswith(rig.text[:8])
    assert type(error) is ModelFailed
    assert any(secret in str(error.__cause__) for secret in SECRETS)
    assert not any(secret in f"{error.detail} {error.extra}" for secret in SECRETS)


@every_wire
async def test_closing_closes_the_connection(replay: ReplayServer, rig: Rig) -> None:
    wire = recorded(f"{rig.kind}_answer").wire()
    middle = wire.index(b"\r\n", wire.index(rig.text.split()[1].encode()))
    events = rig.play(replay, "answer", gates={middle: asyncio.Event()}).answer(ASKED)
    async for event in events:
        if isinstance(event, TextDelta):
            break
    assert replay.hung_up == 0
    await events.aclose()
    await replay.until(hung_up=1)


@every_wire
async def test_cancelling_before_the_first_byte_closes_the_connection(replay: ReplayServer, rig: Rig) -> None:
    provider = rig.play(replay, "answer", gates={0: asyncio.Event()})
    waiting = asyncio.ensure_future(collected(provider.answer(ASKED)))
    await replay.until(requests=1)
    waiting.cancel()
    await replay.until(hung_up=1)
    with pytest.raises(asyncio.CancelledError):
        await waiting


@every_wire
async def test_whole_answers_share_a_connection(replay: ReplayServer, rig: Rig) -> None:
    provider = rig.play(replay, "answer")
    for _ in range(3):
        _, error = await collected(provider.answer(ASKED))
        assert error is None
    assert replay.connections == 1


@every_wire
async def test_a_connection_whose_answer_came_in_two_reads_serves_the_next(replay: ReplayServer, rig: Rig) -> None:
    """Between two reads the connection stands still; the next answer must not find it so."""
    wire = recorded(f"{rig.kind}_answer").wire()
    middle = wire.index(b"\r\n", wire.index(rig.text.split()[1].encode()))
    for cut in (middle, len(wire) - 1):
        provider = rig.play(replay, "answer", cuts=[cut])
        for _ in range(2):
            async with asyncio.timeout(20):
                _, error = await collected(provider.answer(ASKED))
            assert error is None
    assert replay.connections == 1


@every_wire
async def test_a_server_that_is_not_there_is_unreachable(rig: Rig) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # not listening: refused, and nobody else can take the port
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        events, error = await collected(provider_at(rig.kind, url).answer(ASKED))
        assert (events, type(error)) == ([], ModelUnreachable)
        assert isinstance(error, InferenceError)
        assert url.removeprefix("http://") not in error.detail
        with pytest.raises(ModelUnreachable):
            await provider_at(rig.kind, url).models()


@every_wire
async def test_a_server_that_ends_without_a_status_line_is_unreachable(replay: ReplayServer, rig: Rig) -> None:
    replay.replies[rig.path] = Reply(b"", closes=True)
    events, error = await collected(rig.provider(replay).answer(ASKED))
    assert (events, type(error)) == ([], ModelUnreachable)


@every_wire
@pytest.mark.parametrize("page", ["<html><body>Welcome to nginx</body></html>\n", '{"hello": "you"}\n', "[1]\n"])
async def test_a_200_that_is_not_the_format_is_a_failure_of_the_server(
    replay: ReplayServer, rig: Rig, page: str
) -> None:
    body = page.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body)
    replay.replies[rig.path] = Reply(head + body)
    events, error = await collected(rig.provider(replay).answer(ASKED))
    assert events == []
    assert isinstance(error, ModelFailed | AnswerCutOff)


@every_wire
async def test_the_number_of_output_tokens_is_always_bounded(replay: ReplayServer, rig: Rig) -> None:
    provider = rig.play(replay, "answer")
    for wanted in (None, 0, 7, 1_000_000):
        options = GenerationOptions(max_output_tokens=wanted)
        request = PromptRequest(ASKED.model, ASKED.messages, options, context_window=4096)
        await collected(provider.answer(request))
        sent = replay.requests[-1].json()
        bound = (sent.get("options") or sent.get("inferenceConfig") or sent)[_BOUNDS.get(rig.kind, "max_tokens")]
        assert 1 <= bound <= 4096
        assert bound == 7 or wanted != 7
