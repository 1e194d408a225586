"""The bench's own instruments: what they count, and that they do not count what is wrong."""

import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from eloquent.foundation.config import get_config
from tests.bench import pages
from tests.bench.answers import text_of, tokens_of
from tests.bench.charts import Bars, Lines, Series
from tests.bench.crowd import arrivals
from tests.bench.dialects import DIALECTS
from tests.bench.findings import Finding, Target, percentile, percentiles, shown
from tests.bench.product import HISTORY_TURNS, not_saved
from tests.bench.servers import PROJECT, warnings_in
from tests.bench.steady import Pace, SteadyStreams


def test_tokens_that_share_a_chunk_have_its_time_and_a_cut_chunk_counts_when_it_is_whole() -> None:
    tokens = ("Good ", "day", "!", " So")
    lines = [
        b'{"message":{"content":"Good day"}}\n',
        b'{"message":{"content":"! "}}\n{"message":',
        b'{"content":"So"}}\n',
    ]

    times = arrivals(DIALECTS["ollama"], [(1.0, lines[0]), (2.0, lines[1]), (3.0, lines[2])], tokens)

    assert times == [1.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("dialect", "record", "text"),
    [
        (
            "eloquent-sse",
            b'id: 3\ndata: {"type":"text-delta","id":"t","delta":"so \\"text-delta\\""}',
            'so "text-delta"',
        ),
        ("eloquent-sse", b'id: 0\ndata: {"type":"start","messageId":"text-delta"}', ""),
        ("eloquent-sse", b": keep-alive", ""),
        ("eloquent-sse", b"data: [DONE]", ""),
        ("peer-sse", b'data: {"text": " so"}', " so"),
        ("peer-sse", b"data: [DONE]", ""),
    ],
)
def test_the_text_of_a_record_is_found_and_nothing_else_is_taken_for_it(dialect: str, record: bytes, text: str) -> None:
    assert DIALECTS[dialect].text_in(record) == text


def test_an_even_model_is_known_by_its_name() -> None:
    assert Pace.of(Pace(12.5, 40).model) == Pace(12.5, 40)
    assert Pace.of(Pace(10, 400, spoiled=True).model) == Pace(10, 400, spoiled=True)
    assert Pace.of("bench-paced") is None
    assert Pace(10, 101).lasts_s == 10


class _Loop:
    """Remembers what is to be called."""

    def __init__(self) -> None:
        self.later: list[Any] = []

    def call_later(self, _delay: float, work: Any) -> None:
        self.later.append(work)


class _Reader:
    def __init__(self, gone_after: int = 1000) -> None:
        self.got: list[bytes] = []
        self._gone_after = gone_after

    def write(self, data: bytes) -> bool:
        self.got.append(data)
        return len(self.got) < self._gone_after


def test_an_even_answer_is_written_whole_and_each_token_logged() -> None:
    loop = _Loop()
    streams = SteadyStreams(loop, lambda _model, _answer, length: [b"t"] * length)  # type: ignore[arg-type]
    stays, leaves = _Reader(), _Reader(gone_after=2)

    streams.start(stays, Pace(2000, 5), 0, 1)
    streams.start(leaves, Pace(2000, 5), 0, 2)
    while loop.later:
        loop.later.pop()()

    log = streams.log.taken()
    assert len(stays.got) == len(log["sent"]["1"]) == 5
    assert log["sent"]["1"] == sorted(log["sent"]["1"])
    assert len(leaves.got) == 2
    assert streams.log.taken()["sent"] == {}


def test_a_long_answer_begins_like_the_short_one() -> None:
    assert tokens_of(3, 400)[:200] == tokens_of(3)
    assert len(tokens_of(3, 400)) == 400


def test_an_answer_of_the_product_that_is_cut_or_not_complete_in_the_database_is_told() -> None:
    client: MongoClient = MongoClient(get_config().mongodb_uri.get_secret_value())
    database = client["bench_tools"]
    whole, cut, streaming, empty = (ObjectId() for _ in range(4))
    try:
        for conversation, text, status in (
            (whole, text_of(1, 10), "complete"),
            (cut, text_of(1, 10)[:-1], "complete"),
            (streaming, text_of(1, 10), "streaming"),
        ):
            parent = None
            for _ in range(2 * HISTORY_TURNS + 1):
                message = {"_id": ObjectId(), "conversation_id": conversation, "parent_id": parent}
                parent = database.messages.insert_one(message).inserted_id
            answer = {"conversation_id": conversation, "parent_id": parent, "text": text, "status": status}
            database.messages.insert_one(answer)

        told = not_saved(database, dict.fromkeys((whole, cut, streaming, empty), (1, 10)))

        assert len(told) == 3
        assert not any(str(whole) in sentence for sentence in told)
    finally:
        client.drop_database("bench_tools")
        client.close()


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentiles([float(n) for n in range(1, 101)], 0.95, 0.99) == [95.0, 99.0]
    assert math.isnan(percentile([], 0.5))


@pytest.mark.parametrize(
    ("value", "said"), [(0.4567, "0.46 ms"), (45.67, "45.7 ms"), (4567.8, "4,568 ms"), (math.nan, "-")]
)
def test_figures_have_the_digits_that_they_deserve(value: float, said: str) -> None:
    assert shown(value, "ms") == said


def _bars(values: list[float | None]) -> Bars:
    return Bars("bars", 'A < B & "C"', "how", "ms", ["one", "two"], [Series("us", values)], [5.0, None])


def test_charts_are_xml_with_their_titles_and_without_figures_that_are_none() -> None:
    lines = Lines(
        "l", "title", "s", "x", "y", [Series("a", points=[(1, 2.0), (2, math.nan)])], [(1, "1"), (2, "2")], log_x=True
    )
    for chart in (_bars([1.0, None]), _bars([math.nan, 0.0]), lines):
        text = chart.svg()

        root = ET.fromstring(text)
        assert root[0].text == chart.title
        assert "nan" not in text
        assert "prefers-color-scheme:dark" in text


def test_a_page_says_missed_and_invalid_in_so_many_words() -> None:
    targets = [Target("fast", 2.0, 1.0, "ms"), Target("small", 1.0, 1.0, "KB"), Target("none", math.nan, 1.0, "ms")]
    right = Finding("right", "Right", "It is so", targets=targets, charts=[_bars([1.0, 2.0])])
    wrong = Finding("wrong", "Wrong", "It is so, too", targets=targets[1:2], errors=["lost | one"], charts=right.charts)
    absent = Finding("absent", "Absent", skipped="no such route")

    page = pages.page([right, wrong, absent], facts=["a machine"], command="make bench", date="2030-01-01")

    assert "| [fast](#right) | 2.00 ms | ≤ 1.00 ms | **MISSED** |" in page
    assert "| [small](#right) | 1.00 KB | ≤ 1.00 KB | met |" in page
    assert "| [none](#right) | - | ≤ 1.00 ms | **MISSED** |" in page
    assert "| [small](#wrong) | 1.00 KB | ≤ 1.00 KB | **INVALID: 1 wrong** |" in page
    assert page.count("bars.svg") == 1
    assert "It is so, too" not in page
    assert "no such route" in page


def test_what_a_log_complains_of_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(f'{{"level": "error", "event": "broke", "exception": "File {PROJECT}/chat/runs.py"}}\n' * 2)
    assert warnings_in(log) == ["the server's log, 2 times: broke / File chat/runs.py"]
