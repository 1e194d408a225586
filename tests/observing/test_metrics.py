"""Every metric that there is a name for is written by a real server, and nothing else is."""

import asyncio
import signal
from collections import Counter
from functools import partial

import jsonschema
import pytest_asyncio

from eloquent.foundation.telemetry import metric_names as names
from eloquent.foundation.telemetry.metric_names import METRICS, Kind, Metric
from tests.foundation.telemetry.emf_schema import EMF, faults_of
from tests.observing.conftest import BREAK_OFF, Observed
from tests.people import Person
from tests.survival.conftest import answered
from tests.survival.stage import until

ANY_QUESTION: dict[str, object] = {"parts": [{"type": "text", "text": "Is anybody there?"}]}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(observed: Observed) -> dict[str, list[float]]:
    """What was written of each metric, all values together, while everything happened that is counted."""
    await observed.set_a_price()
    async with observed.person() as ann:
        await asked(observed, ann)
        tale = observed.tale(tokens=40, waits=(20,))
        run = await ann.ask(await ann.conversation(), tale.question)
        await observed.model.until_asked(tale)
        async with ann.socket():
            await until(lambda: is_told(observed, names.SOCKETS_OPEN))
        await until(lambda: is_told(observed, names.STREAMS_IN_FLIGHT))
        # Sent away: it refuses what comes, which is an error of the server's, and breaks off what is at work.
        worker = observed.workers[0]
        worker.signal(signal.SIGTERM)
        await until(partial(answered, ann, f"/conversations/{run['conversation_id']}/runs", ANY_QUESTION, 503))
        worker.signal(signal.SIGTERM)
        await worker.until_gone()
    values: dict[str, list[float]] = {}
    for line in observed.metrics():
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                value = line[metric["Name"]]
                values.setdefault(metric["Name"], []).extend(value if isinstance(value, list) else [value])
    return values


async def asked(observed: Observed, ann: Person) -> None:
    """One run that is whole, one that is stopped, one that fails, until each is told."""

    async def completes() -> bool:
        # Until the catalog has heard of the price.
        await ann.at_rest((await ann.ask(await ann.conversation(), observed.tale(tokens=60, per_s=200).question))["id"])
        return await is_told(observed, names.COST_MICROS)

    await until(completes, within_s=40)
    tale = observed.tale(tokens=40, waits=(20,))
    run = await ann.ask(await ann.conversation(), tale.question)
    await observed.model.until_asked(tale)
    await ann.ok("POST", f"/runs/{run['id']}/stop")
    await ann.at_rest((await ann.ask(await ann.conversation(), BREAK_OFF))["id"])
    await until(lambda: is_told(observed, names.RUNS_FAILED))


async def is_told(observed: Observed, metric: Metric) -> bool:
    return any(line.get(metric.name) for line in observed.metrics())


def test_every_name_is_seen_written_and_nothing_else_is(told: dict[str, list[float]]) -> None:
    assert told.keys() == {metric.name for metric in METRICS}
    assert {metric.name: max(told[metric.name]) for metric in METRICS if not max(told[metric.name]) > 0} == {}


def test_counters_say_how_many_there_were(told: dict[str, list[float]], observed: Observed) -> None:
    sums = {metric.name: sum(told[metric.name]) for metric in METRICS if metric.kind is Kind.COUNTER}
    assert sums["RunsStopped"] == 1
    assert sums["RunsFailed"] == sums["ModelFailures"] == 1
    assert sums["RunsInterrupted"] == 1
    # 11 tokens read and 60 written, at 5 and 10 millionths each; the stopped and the broken answer cost a little, too.
    assert sums["CostMicros"] >= 11 * 5 + 60 * 10
    by_class: Counter[tuple[str, str]] = Counter()
    for line in observed.metrics():
        if "Requests" in line:
            by_class[line["Traffic"], line["StatusClass"]] += line["Requests"]
    assert by_class["llm", "2xx"] >= 4
    assert by_class["llm", "5xx"] == sums["ServerErrors"] >= 1
    assert by_class["other", "2xx"] >= 4
    assert by_class["health", "2xx"] >= 1


def test_gauges_go_up_and_down(told: dict[str, list[float]]) -> None:
    assert max(told["StreamsInFlight"]) == max(told["SocketsOpen"]) == 1
    assert told["StreamsInFlight"][-1] == told["SocketsOpen"][-1] == 0


def test_times_are_those_of_the_answers(told: dict[str, list[float]]) -> None:
    # Written at 200 a second; after a standstill of the machine many come at once.
    assert min(told["TokensPerSecond"]) < 300
    assert 20 < max(told["TokensPerSecond"]) < 20_000
    assert 1 < min(told["TimeToFirstToken"]) < 20_000
    # All of them were our own model's here, and a call begins after its question was let in.
    assert len(told["OwnModelFirstToken"]) >= len(told["TimeToFirstToken"])
    assert 1 < min(told["OwnModelFirstToken"]) <= min(told["TimeToFirstToken"])
    assert 0.1 < min(told["RequestDuration"]) < 20_000


def test_every_line_is_what_cloudwatch_takes(told: dict[str, list[float]], observed: Observed) -> None:
    lines = observed.metrics()
    assert len(lines) > 5
    for line in lines:
        jsonschema.validate(line, EMF)
        assert faults_of(line) == []
        assert (line["Environment"], line["Service"]) == ("test", "chat-api")


async def test_a_period_is_few_lines_however_many_requests_there_were(observed: Observed) -> None:
    for worker in observed.workers:
        await worker.begin()
    observed.dispatcher.ports = [worker.port for worker in observed.workers]
    async with observed.person() as ann:
        before = len(observed.metrics())
        await asyncio.gather(*(ann.ok("GET", "/conversations") for _ in range(100)))

        async def all_told() -> bool:
            lines = observed.metrics()[before:]
            return sum(line["Requests"] for line in lines if line.get("Traffic") == "other") >= 100

        await until(all_told)
        lines = observed.metrics()[before:]
        periods = sum("StreamsInFlight" in line for line in lines)
        assert len(lines) <= periods * 8
