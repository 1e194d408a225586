"""Real signals to a real model server, at each stage of an answer, for each provider; `failures.py` says what comes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
from bson import ObjectId

from eloquent.embedded import ports
from eloquent.foundation.http import close_http_client
from inference import store
from inference.billing.bill import Bill, all_settled
from inference.billing.current import forget_budgets
from inference.billing.types import Outcome, Purpose, Source
from inference.catalog import offering
from inference.errors import InferenceError
from inference.offers import OfferedModel
from inference.providers.base import Provider
from inference.router import answer, forget_failures
from inference.timeouts import Timeouts
from inference.types import Finished, PromptMessage, PromptRequest, TextDelta
from tests.bench.answers import question, text_of
from tests.fakes.model_server import Manner
from tests.fakes.providers import providers_at
from tests.fakes.wires import INPUT_TOKENS, KINDS
from tests.inference.failures import CASES, ROWS, Act, Billed, Row, Stage, table

ROOT = Path(__file__).parents[2]
DECISION = ROOT / "docs" / "decisions" / "0028-when-a-model-server-fails.md"
WELL = Manner(tokens=3)
LEISURELY = Manner(first_ms=150, between_ms=100, last_ms=150, tokens=4)
SOON_S = 15.0
PATIENT = Timeouts(first_token_s=30, idle_s=30, total_s=60)
HASTY = Timeouts(first_token_s=0.5, idle_s=0.5, total_s=30)
HASTY_BEHIND_THE_FIRST_WORDS = Timeouts(first_token_s=5, idle_s=1.0, total_s=30)
PLAYED = [*dict.fromkeys([WELL, LEISURELY, *(row.manner for row in ROWS)])]


class ModelServer:
    """The server's process. What it says is heard in order; a new one listens where the last one did."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._process: asyncio.subprocess.Process | None = None
        self.is_well = False
        """Whether the last test left it as it found it."""

    async def start(self) -> None:
        command = [sys.executable, "-m", "tests.fakes.model_server", "--port", str(self.port)]
        self._process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        await self.heard("listens")

    async def heard(self, *expected: str) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for what in expected:
            async with asyncio.timeout(SOON_S):
                assert (await self._process.stdout.readline()).decode().strip() == what

    async def suffer(self, act: Act) -> None:
        assert self._process is not None
        if act is Act.KILLED:
            self._process.kill()
            await self._process.wait()
        elif act is Act.FROZEN:
            os.kill(self._process.pid, signal.SIGSTOP)

    async def recover(self, act: Act) -> None:
        assert self._process is not None
        if act is Act.KILLED:
            await self.start()
        elif act is Act.FROZEN:
            os.kill(self._process.pid, signal.SIGCONT)

    async def end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Counted:
    """A provider that counts how often it is asked."""

    def __init__(self, provider: Provider) -> None:
        self.name, self.refuses_overflow, self.models = provider.name, provider.refuses_overflow, provider.models
        self.aclose = provider.aclose
        self._provider = provider
        self.asked = 0

    def answer(self, request: PromptRequest):
        self.asked += 1
        return self._provider.answer(request)


class Asked:
    """One question with everything that can be seen of its answer."""

    def __init__(self, provider: Provider, manner: Manner, timeouts: Timeouts) -> None:
        self.provider = Counted(provider)
        self.bill = Bill(ObjectId(), ObjectId(), Purpose.ANSWER)
        self.model = OfferedModel(
            f"{provider.name}/{manner.name}",
            manner.name,
            provider.name,
            default=False,
            context_window=8192,
            timeouts=timeouts,
        )
        self.manner = manner
        self.text = ""
        self.finished: Finished | None = None
        self.error: InferenceError | None = None
        self.some_words = asyncio.Event()
        self.all_words = asyncio.Event()

    async def answered(self) -> None:
        request = PromptRequest(self.model.name, (PromptMessage("user", question(0)),))
        with offering(self.model, self.provider):
            forget_failures(self.model)
            try:
                async with aclosing(answer(self.model, request, bill=self.bill)) as events:
                    async for event in events:
                        if isinstance(event, TextDelta):
                            self.text += event.text
                            self.some_words.set()
                        if self.text == text_of(0, self.manner.tokens):
                            self.all_words.set()
                        if isinstance(event, Finished):
                            self.finished = event
            except InferenceError as error:
                self.error = error
        self.bill.close()
        await self.bill.settled()


@pytest_asyncio.fixture(scope="module")
async def servers_and_providers() -> AsyncIterator[tuple[ModelServer, dict[str, Provider]]]:
    server = ModelServer(ports.any_free_port())
    providers = providers_at(f"http://127.0.0.1:{server.port}", [manner.name for manner in PLAYED])
    yield server, providers
    await server.end()
    for provider in providers.values():
        await provider.aclose()
    await close_http_client()


@pytest_asyncio.fixture
async def server(
    servers_and_providers: tuple[ModelServer, dict[str, Provider]],
) -> AsyncIterator[ModelServer]:
    made, _ = servers_and_providers
    if not made.is_well:
        await made.end()
        await made.start()
    made.is_well = False
    yield made


@pytest_asyncio.fixture
async def provider(
    request: pytest.FixtureRequest,
    servers_and_providers: tuple[ModelServer, dict[str, Provider]],
    server: ModelServer,
) -> Provider:
    """One that has been asked before: Bedrock's client takes a second to be made, which is no patience with a model."""
    made: Provider = servers_and_providers[1][request.param]
    await is_answered(Asked(made, WELL, PATIENT), server)
    return made


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.retries.FIRST_PAUSE_S", 0.0)


@pytest_asyncio.fixture(autouse=True)
async def _ledger(db: None) -> AsyncIterator[None]:
    await forget_budgets()
    yield
    await all_settled()
    await forget_budgets()


async def is_answered(asked: Asked, server: ModelServer) -> None:
    """Ask, and see a whole answer that costs what the server says."""
    await asked.answered()
    assert (asked.error, asked.text) == (None, text_of(0, asked.manner.tokens))
    assert asked.finished is not None
    [line] = asked.bill.lines
    assert (line.source, line.outcome) == (Source.REPORTED, Outcome.COMPLETE)
    assert (line.input_tokens, line.output_tokens) == (INPUT_TOKENS, asked.manner.tokens)
    await server.heard("asked", "completed")


async def fails(row: Row, server: ModelServer, asked: Asked) -> None:
    """Ask, and let it happen to the server when the answer has come so far."""
    if row.stage is Stage.CONNECT:
        await server.suffer(row.act)
        await asked.answered()
        return
    answering = asyncio.create_task(asked.answered())
    await server.heard("asked")
    if row.stage is Stage.TOKENS:
        await asyncio.wait_for(asked.some_words.wait(), SOON_S)
    elif row.stage is Stage.END:
        await asyncio.wait_for(asked.all_words.wait(), SOON_S)
    await server.suffer(row.act)
    await asyncio.wait_for(answering, SOON_S)


def billed(bill: Bill) -> Billed:
    if not bill.lines:
        return Billed.NOTHING
    [line] = bill.lines
    assert (line.source, line.outcome, line.input_tokens > 0) == (Source.ESTIMATED, Outcome.FAILED, True)
    return Billed.WRITTEN if line.output_tokens else Billed.PROMPT


@pytest.mark.parametrize(
    ("row", "provider"),
    [pytest.param(row, name, id=f"{row.act}-{row.stage.name.lower()}-{name}") for row, name in CASES],
    indirect=["provider"],
)
async def test_a_model_server_that_fails_does_what_the_table_says(
    row: Row, provider: Provider, server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    hasty = HASTY_BEHIND_THE_FIRST_WORDS if row.stage in (Stage.TOKENS, Stage.END) else HASTY
    asked = Asked(provider, row.manner, PATIENT if row.act is Act.KILLED else hasty)
    caplog.clear()
    await fails(row, server, asked)

    # What the user sees: the code, a sentence without the server's address, and the words that came.
    assert asked.error is not None
    assert asked.error.code == row.code
    assert asked.finished is None
    assert str(server.port) not in asked.error.detail
    assert text_of(0, row.manner.tokens).startswith(asked.text)
    assert bool(asked.text) == (row.stage in (Stage.TOKENS, Stage.END))
    if row.stage is Stage.END:
        assert asked.text == text_of(0, row.manner.tokens)
    if row.code == "model_timeout":
        assert ("went silent for" if asked.text else "did not begin to answer in") in asked.error.detail
    # Who is asked again, what is billed, what is logged.
    assert asked.provider.asked == row.attempts
    assert billed(asked.bill) is row.billed
    assert await store.usage_lines([line.id for line in asked.bill.lines]) == asked.bill.lines
    warned = [record.getMessage() for record in caplog.records if record.name == "inference.router"]
    assert len(warned) == row.attempts
    assert all(row.logged in said and asked.model.id in said for said in warned)
    # The connection is closed, and the next question is answered.
    await server.recover(row.act)
    if row.act is not Act.KILLED:
        await server.heard(*(["asked"] if row.stage is Stage.CONNECT else []), "closed")
    await is_answered(Asked(provider, WELL, PATIENT), server)
    server.is_well = True


@pytest.mark.parametrize("provider", KINDS, indirect=True)
async def test_a_server_that_is_slow_within_our_patience_is_waited_for(provider: Provider, server: ModelServer) -> None:
    asked = Asked(provider, LEISURELY, PATIENT)
    await is_answered(asked, server)
    assert asked.provider.asked == 1
    server.is_well = True


@pytest.mark.parametrize("provider", KINDS, indirect=True)
async def test_a_server_that_is_back_for_the_second_attempt_answers_as_if_nothing_was(
    provider: Provider, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def back(_pause_s: float) -> None:
        await server.recover(Act.KILLED)

    monkeypatch.setattr("inference.router.sleep", back)
    await server.suffer(Act.KILLED)
    asked = Asked(provider, WELL, PATIENT)
    await is_answered(asked, server)
    assert asked.provider.asked == 2
    server.is_well = True


def test_the_decision_has_every_row_as_it_is_tested() -> None:
    assert table() in DECISION.read_text()
