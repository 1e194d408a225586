import json
import os
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo import MongoClient

from eloquent.foundation.config import get_config
from tests.bench import comparison, report
from tests.bench.answers import text_of
from tests.bench.cpu import cpu_s
from tests.bench.dialects import DIALECTS, WrongAnswerError
from tests.bench.eloquent_side import EloquentSide
from tests.bench.peer_side import DATABASE, PeerSide
from tests.bench.plans import Load
from tests.bench.rounds import Measure, Meter, Row, Window
from tests.bench.servers import Server, running


def test_the_smallest_bench_gets_every_answer_right_from_both_servers(tmp_path: Path) -> None:
    names = (EloquentSide.name, PeerSide.name)

    rows, alone = comparison.run(comparison.SMOKE, sides_wanted=names, directory=tmp_path)

    assert [error for row in rows for error in report.errors_of(row)] == []
    assert alone.wrong == 0
    assert len(rows) == 6
    for row in rows:
        assert [len(row.windows[name]) for name in names] == [1, 1]
        assert all(window.server_ms > 0 and window.rate > 0 for name in names for window in row.windows[name])
    printed = report.whole(rows, names, alone)
    assert all(row.measure.title in printed for row in rows)
    assert "cannot tell" in printed or "MISSED" in printed  # one round is never called met


@pytest.mark.parametrize("model", ["bench-garbled", "bench-cut"])
def test_an_answer_that_is_changed_or_cut_on_its_way_is_wrong(model: str, tmp_path: Path) -> None:
    with running("upstream", ["-m", "tests.bench.upstream"], comparison.environment(), tmp_path) as upstream:
        plan = comparison.upstream_plan(upstream.port, model, Load(3, warm_up=0), users=2)
        good = comparison.upstream_plan(upstream.port, "bench-burst", Load(3), users=2)

        window = Meter(upstream.pid).window(plan, upstream.pid)
        good_window = Meter(upstream.pid).window(good, upstream.pid)

    assert window.wrong == 6
    assert "characters came" in window.errors[0]
    assert (good_window.wrong, good_window.errors) == (0, [])


def test_a_peers_answer_that_was_not_saved_is_told() -> None:
    uri = get_config().mongodb_uri.get_secret_value()
    client: MongoClient = MongoClient(uri)
    side = PeerSide(Server(os.getpid(), 9, Path()), uri, users=1)
    try:
        plan = side.answers("http", "bench-burst", Load(1, warm_up=0))
        conversation = plan.users[0].exchanges[0][0].split("/")[2]

        client[DATABASE].messages.insert_one({"conversation_id": ObjectId(conversation), "text": text_of(0)[:-1]})

        assert side.not_saved() == [f"FastAPI peer has not saved an answer of conversation {conversation}"]
        assert side.not_saved() == []  # told once
    finally:
        client.drop_database(DATABASE)
        client.close()


def _sse(*chunks: object) -> list[bytes]:
    return [b"".join(b"id: 1\ndata: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)]


_WHOLE = (
    {"type": "start", "messageId": "m"},
    {"type": "text-start", "id": "t"},
    {"type": "text-delta", "id": "t", "delta": "Good "},
    {"type": "text-delta", "id": "t", "delta": "day"},
    {"type": "text-end", "id": "t"},
    {"type": "finish", "finishReason": "stop"},
)
_END = [b"data: [DONE]\n\n"]


def test_a_stream_is_right_only_when_it_is_whole_ended_and_equal() -> None:
    check = DIALECTS["eloquent-sse"].check

    assert check(_sse(*_WHOLE) + _END, "Good day") == 2
    for pieces, expected in [
        (_sse(*_WHOLE), "Good day"),
        (_sse(*_WHOLE[:-1]) + _END, "Good day"),
        (_sse(*_WHOLE, {"type": "error", "errorText": "x"}) + _END, "Good day"),
        (_sse(*_WHOLE[:-1], {"type": "finish", "finishReason": "length"}) + _END, "Good day"),
        (_sse(*_WHOLE) + _END, "Good day!"),
        ([*_sse(*_WHOLE), b"data: [DONE]\n"], "Good day"),
    ]:
        with pytest.raises(WrongAnswerError):
            check(pieces, expected)


def _frames(numbers: list[int]) -> list[bytes]:
    chunks = zip(numbers, _WHOLE, strict=True)
    frames = [{"type": "chunk", "requestId": "r", "sequence": number, "chunk": chunk} for number, chunk in chunks]
    return [json.dumps(frame).encode() for frame in [*frames, {"type": "end", "requestId": "r"}]]


def test_a_sockets_answer_is_right_only_without_a_gap_in_its_sequence() -> None:
    check = DIALECTS["eloquent-socket"].check

    assert check(_frames([0, 1, 2, 3, 4, 5]), "Good day") == 2
    with pytest.raises(WrongAnswerError, match="gap"):
        check(_frames([0, 1, 2, 4, 5, 6]), "Good day")
    with pytest.raises(WrongAnswerError):
        check(_frames([0, 1, 2, 3, 4, 5])[:-1], "Good day")


@pytest.mark.parametrize(
    ("ratios", "target", "more_is_better", "said"),
    [
        ([0.30, 0.34, 0.35], 0.35, False, "met"),
        ([0.30, 0.3501, 0.36], 0.35, False, "MISSED"),
        ([0.30, 0.34, 0.36], 0.35, False, "met in 2 of 3 rounds"),
        ([0.1, 0.1], 0.35, False, "met, but 2 rounds cannot tell"),
        ([1.0, 1.2, 1.3], 1.0, True, "met"),
        ([0.9, 0.999, 1.3], 1.0, True, "MISSED"),
    ],
)
def test_a_verdict_is_never_prettier_than_the_rounds(
    ratios: list[float], target: float, more_is_better: bool, said: str
) -> None:
    assert report.verdict(ratios, target, more_is_better=more_is_better) == said


def test_a_row_with_a_wrong_answer_gets_no_verdict() -> None:
    def window(wrong: int) -> Window:
        return Window(1.0, 0.0, 10.0, [], 1.0, [], wrong)

    measure = Measure("answers", lambda side: side.answers("http", "m", Load(1)), target=2.0)
    row = Row(measure, {"us": [window(0), window(1), window(0)], "them": [window(0)] * 3})

    printed = report.table([row], ("us", "them"))

    assert "1 WRONG" in printed
    assert "met" not in printed


def test_cpu_counts_work_and_not_waiting() -> None:
    before = cpu_s(os.getpid())
    sum(range(3_000_000))

    assert cpu_s(os.getpid()) > before
