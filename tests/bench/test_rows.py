"""The further measures, very small: every figure is there, and a wrong answer is never called met."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench import latency, pages
from tests.bench.findings import Finding
from tests.bench.rows import ROWS, lists, resume_stop, streams
from tests.bench.rows.scale import SMOKE
from tests.bench.stage import Stage
from tests.bench.steady import Pace

pytestmark = pytest.mark.measures

SPOILED = replace(
    SMOKE,
    long=Pace(40, 40, spoiled=True),
    brisk=Pace(40, 60, spoiled=True),
    begin_within_s=0.1,
    streams=3,
    fewest_streams=3,
    resumes=1,
    stops=1,
)
# What each row must have measured: paths into its numbers.
MEASURED = {
    "first-token": ("streaming/Eloquent/added_p99_ms", "one instant/FastAPI peer/p50_ms"),
    "streams": ("6/on_the_way_ms/0.99", "6/between_tokens_ms/0.99", "6/memory_bytes_each/pss", "6/cores/server"),
    "resume-stop": (
        "resume to first byte/another process, evenly/p95_ms",
        "stop to upstream closed/another process, one instant/p95_ms",
    ),
    "memory": ("run/count", "run/rss_kb_each", "reader/count"),
    "idle-socket": ("one process/uss_kb_each", "with Redis/pss_kb_each"),
    "readers": (
        "same process, journal in memory/1/tokens_per_cpu_s",
        "another process, journal in Redis/1/tokens_per_cpu_s",
    ),
    "redis-journal": ("answer as SSE, paced/in Redis/redis_ms", "answer as SSE, burst/ratio"),
    "relay": ("bedrock/paced/cpu_ms", "anthropic/burst/ratio", "openai/one token/cpu_ms"),
    "lists": ("one user who owns very many, far down/p95_ms", "filling_s", "documents/many"),
    "telemetry": ("answer as SSE, burst/ratio", "list of 30 conversations/ratio"),
    "tls": ("answer over a socket, paced/ratio", "list of 30 messages/ratio"),
    "sign-in": ("unknown email/p50_ms", "known email, wrong password/guessed"),
    "search": ("few/a rare word/p95_ms", "very many/a common word/p95_ms"),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    paces = [*SMOKE.paces(), *SPOILED.paces()]
    with closing(Stage(tmp_path_factory.mktemp("bench"), list(dict.fromkeys(paces)))) as made:
        yield made


def _number(finding: Finding, path: str) -> float:
    value = finding.numbers
    for name in path.split("/"):
        value = value[int(name) if isinstance(value, list) else name]
    return value


@pytest.mark.parametrize("name", list(ROWS))
def test_each_measure_finds_figures_and_no_wrong_answer(name: str, stage: Stage, tmp_path: Path) -> None:
    finding = ROWS[name](stage, SMOKE)

    if finding.skipped:
        pytest.skip(finding.skipped)
    assert finding.errors == []
    assert [path for path in MEASURED[name] if not _number(finding, path) > 0] == []
    assert finding.sentence
    pages.write(tmp_path, [finding], facts=["a machine"], command="make bench", date="2030-01-01")
    assert {file.name for file in tmp_path.iterdir()} == {
        "README.md",
        "numbers.json",
        *(f"{chart.name}.svg" for chart in finding.charts),
    }


@pytest.mark.parametrize("row", [streams, resume_stop])
def test_an_answer_with_one_wrong_token_makes_the_measure_invalid(row, stage: Stage) -> None:
    finding = row.measure(stage, SPOILED)

    assert finding.errors
    assert all(
        "INVALID" in finding.verdict(target) or "MISSED" in finding.verdict(target) for target in finding.targets
    )
    page = pages.page([finding], facts=[], command="c", date="d")
    assert "not valid" in page
    assert "| met |" not in page
    assert ".svg" not in page


def test_a_list_with_an_id_missing_is_wrong() -> None:
    class Short:
        def ask(self, _request: bytes) -> latency.Reply:
            return latency.Reply(200, b'{"items": [{"id": "a"}]}', 1.0)

    kinds = [lists._Kind("short", lists.Question("short", Short(), [(b"", ["a", "b"])]))]

    assert len(lists._round(kinds, 2)) == 2 + lists.WARM_UP
