"""A chat with one worker that is observed: a collector of traces, metrics in its output, Sentry."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest_asyncio
from bson import ObjectId

from tests.fakes.collector import Collector
from tests.fakes.ollama import FakeModel
from tests.fakes.sentry import FakeSentry
from tests.people import Person
from tests.survival.stage import Stage
from tests.survival.storyteller import NAME, Storyteller
from tests.survival.workers import Worker

METRICS_PERIOD_S = 0.2
BREAK_OFF = "Break off in the middle."


class Unreliable(Storyteller):
    """A storyteller that can be asked to break off."""

    def model_for(self, body: Any) -> FakeModel:
        if body["messages"][-1]["content"] == BREAK_OFF:
            return FakeModel(tokens=("Once", " upon", " a"), dies_after=2)
        return super().model_for(body)


class Observed(Stage):
    """A stage whose only worker tells all that it can."""

    storyteller = Unreliable

    def __init__(self, collector: Collector, sentry: FakeSentry) -> None:
        super().__init__(workers=1)
        self.collector = collector
        self.sentry = sentry

    def settings(self) -> dict[str, str]:
        return {
            **super().settings(),
            "TITLE_MODEL": "off",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.endpoint,
            "TRACE_SHARE_ANSWERS": "1",
            "OTEL_SERVICE_NAME": "chat-api",
            "TRACE_SHARE_OTHERS": "1",
            "METRICS_FORMAT": "emf",
            "METRICS_PERIOD_S": str(METRICS_PERIOD_S),
            "SENTRY_DSN": self.sentry.dsn,
            "ELOQUENT_RELEASE": "eloquent@1.2.3",
            "MODEL_SLOTS": "ollama=2",
        }

    def new_worker(self, changes: Mapping[str, float] | None = None) -> Worker:
        """One more, who waits for the collector: it is in this process, which may stand still."""
        return super().new_worker({"ANSWER_TIMEOUT_S": 30, "REST_S": 0} | dict(changes or {}))

    def written(self) -> list[dict[str, Any]]:
        """What the worker has written: lines of the log, and metrics."""
        lines = self.workers[0].log_path.read_bytes().splitlines()
        return [orjson.loads(line) for line in lines if line.startswith(b"{")]

    def metrics(self) -> list[dict[str, Any]]:
        """The lines that are metrics."""
        return [line for line in self.written() if "_aws" in line]

    async def set_a_price(self) -> None:
        """The storyteller's tokens cost something from now on."""
        entry = {"_id": ObjectId(), "provider": "ollama", "name": f"{NAME}:latest", "enabled": True}
        price = {"entry_id": entry["_id"], "starts_at": datetime.now(UTC) - timedelta(days=1)}
        await self.database["language_models"].insert_one(entry)
        await self.database["language_model_prices"].insert_one(
            price | {"_id": ObjectId(), "input_micros": 5_000_000, "output_micros": 10_000_000}
        )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def observed() -> AsyncIterator[Observed]:
    with Collector() as collector, FakeSentry() as sentry:
        async with Observed(collector, sentry) as stage:
            yield stage


@pytest_asyncio.fixture
async def ann(observed: Observed) -> AsyncIterator[Person]:
    async with observed.person() as person:
        yield person
