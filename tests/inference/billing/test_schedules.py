"""Thousands of random lives of answers: the ledger is what the servers did, each call once, and budgets agree.

A schedule is one run: some steps, each an answer that ends whole, breaks, is refused, is stopped, or is taken over by
a fallback; and at the end perhaps a dead worker whose reaper charges once more what may be charged already. The
scripted servers keep their own books of what they read and wrote: that is the truth.
"""

import asyncio
import random
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest
from bson import ObjectId

from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from inference import catalog, store
from inference.billing.bill import Bill, Call, charge_lost
from inference.billing.budgets import untouched
from inference.billing.prices import cost_micros
from inference.billing.types import Outcome, Purpose, Unit
from inference.errors import AnswerCutOff, ModelBusy, ModelFailed, ModelUnreachable
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted, Step
from inference.router import answer
from inference.timeouts import Timeouts
from inference.tokens import estimated_tokens
from inference.types import Finished, FinishReason, GenerationOptions, Price, PromptMessage, PromptRequest, Usage
from tests.inference.billing.conftest import Desk, Offers
from tests.inference.rigs import collected

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

SCHEDULES = 2_000
AT_ONCE = 100
QUESTION = "How are you today?"
ASKED = PromptRequest("", (PromptMessage("user", QUESTION),), GenerationOptions(max_output_tokens=30))
WORDS = ("Well, ", "I think ", "so. ", "Ja, 好的. ", "one ", "more")
PATIENT = Timeouts(first_token_s=60, idle_s=60, total_s=60)


@dataclass
class Books:
    """What one run's servers did: (model, tokens read, tokens written, cost) of each call that took something."""

    calls: list[tuple[str, int, int, int]] = field(default_factory=list)

    def took(self, model: OfferedModel, usage: Usage) -> None:
        assert model.price is not None
        tokens = (usage.input_tokens or 0, usage.output_tokens or 0)
        self.calls.append((model.id, *tokens, cost_micros(usage, model.price)))


class Schedule:
    """One run, its servers and their books."""

    def __init__(self, dice: random.Random, user_id: ObjectId, stack: ExitStack, number: int) -> None:
        self.dice = dice
        self.books = Books()
        self.bill = Bill(user_id, ObjectId(), dice.choice(list(Purpose)))
        self.scripts: dict[str, list[list[Step]]] = {}
        self.models = [self._model(f"{name}{number}", stack) for name in ("first-", "second-")]
        self.models[0] = self._with_fallback(stack) if dice.random() < 0.5 else self.models[0]

    def _model(self, name: str, stack: ExitStack, **fields: Any) -> OfferedModel:
        self.scripts[name] = []
        price = Price(self.dice.randrange(10**7), self.dice.randrange(10**8), self.dice.choice([None, 5]))
        model = OfferedModel(f"{name}/it", "it", name, False, 4096, timeouts=PATIENT, price=price, **fields)
        stack.enter_context(catalog.offering(model, Scripted(lambda _: self.scripts[name].pop(0), name=name)))
        return model

    def _with_fallback(self, stack: ExitStack) -> OfferedModel:
        name = f"{self.models[0].provider}x"
        return self._model(name, stack, fallbacks=(self.models[1].id,))

    async def play(self) -> None:
        for _ in range(self.dice.randint(1, 3)):
            if not await self._step():
                break
        self.bill.close()
        if self.dice.random() < 0.2:
            await self._lose_worker()
        await self.bill.settled()

    async def _step(self) -> bool:
        """One answer; whether the run goes on behind it."""
        return await self.dice.choice([self._whole, self._whole, self._broken, self._stopped, self._refused])()

    def _refusals(self) -> list[list[Step]]:
        """Attempts that take nothing, as many as leave one more."""
        kinds = (ModelBusy, ModelUnreachable, ModelFailed)
        return [[self.dice.choice(kinds)("it")] for _ in range(self.dice.randint(0, 2))]

    def _words(self) -> list[str]:
        return [self.dice.choice(WORDS) for _ in range(self.dice.randint(1, 4))]

    def _ending(self, words: list[str]) -> tuple[Finished, Usage]:
        """How the server ends the answer, and what the ledger can know of it."""
        usage = Usage(self.dice.randrange(500), self.dice.randrange(500), True, self.dice.choice([None, 3]))
        counted = Usage(estimated_tokens(QUESTION), estimated_tokens("".join(words)))
        silent = self.dice.random() < 0.3
        return Finished(FinishReason.STOP, Usage() if silent else usage), counted if silent else usage

    async def _whole(self) -> bool:
        model, words = self.models[0], self._words()
        finished, usage = self._ending(words)
        self.scripts[model.provider] += [*self._refusals(), [*words, finished]]
        await self._read(model)
        self.books.took(model, usage)
        return True

    async def _broken(self) -> bool:
        """It breaks in the middle; a fallback, if there is one, begins anew."""
        model, words = self.models[0], self._words()
        self.scripts[model.provider] += [[*words, self.dice.choice([ModelFailed("it"), AnswerCutOff("it")])]]
        if model.fallbacks:
            instead, others = self.models[1], self._words()
            finished, usage = self._ending(others)
            self.scripts[instead.provider] += [[*others, finished]]
        await self._read(model)
        self.books.took(model, Usage(estimated_tokens(QUESTION), estimated_tokens("".join(words))))
        if model.fallbacks:
            self.books.took(instead, usage)
        return bool(model.fallbacks)

    async def _stopped(self) -> bool:
        model, words = self.models[0], [*self._words(), "never read"]
        read = self.dice.randint(0, len(words) - 1)
        self.scripts[model.provider] += [[*words[:read], asyncio.Event()]]
        server = self._server(model)
        begun = len(server.requests) + 1
        asking = asyncio.ensure_future(self._read(model, most=read))
        if read == 0:
            await server.until(begun)
            asking.cancel()
        await asyncio.wait({asking})
        self.books.took(model, Usage(estimated_tokens(QUESTION), estimated_tokens("".join(words[:read]))))
        return False

    def _server(self, model: OfferedModel) -> Scripted:
        server = catalog.provider_of(model)
        assert isinstance(server, Scripted)
        return server

    async def _refused(self) -> bool:
        """All attempts, and the fallback's, take nothing."""
        model = self.models[0]
        for each in (model, *([self.models[1]] if model.fallbacks else [])):
            self.scripts[each.provider] += [[ModelFailed("it")]] * 3
        await self._read(model)
        return False

    async def _read(self, model: OfferedModel, most: int | None = None) -> None:
        async with aclosing(answer(model, ASKED, bill=self.bill)) as events:
            if most is None:
                await collected(events)
                return
            for _ in range(max(most, 1)):
                await anext(events)

    async def _lose_worker(self) -> None:
        """The reaper thinks that the last call, or one behind it, was at work."""
        last = len(self.bill.lines) - 1
        if last < 0:
            return
        step = last + self.dice.randint(0, 1)
        model, words = self.models[0], "So far so good"
        reaper = Bill(self.bill.user_id, self.bill.run_id, self.bill.purpose, step=step)
        await self.bill.settled()
        if step > last:
            dead = Bill(self.bill.user_id, self.bill.run_id, self.bill.purpose, step=step)
            await dead.reserve(model, ASKED)
        await charge_lost(reaper, Call(model, ASKED, Usage(input_tokens=7), [words], Outcome.LOST))
        if step > last:
            self.books.took(model, Usage(7, estimated_tokens(words)))


async def test_the_ledger_and_the_budgets_are_what_the_servers_did(desk: Desk, offers: Offers) -> None:
    seed = random.SystemRandom().randrange(2**32)
    dice = random.Random(seed)
    users = [ObjectId() for _ in range(5)]
    payers, team = users[:2], ObjectId()
    tokens = [await desk.budget(limit=10**12, user_id=user) for user in payers]
    money = await desk.budget(limit=10**15, unit=Unit.MONEY, shared=True, group_id=team)
    desk.groups |= dict.fromkeys(payers, frozenset({team}))
    books: dict[ObjectId, tuple[ObjectId, Purpose, Books]] = {}
    for first in range(0, SCHEDULES, AT_ONCE):
        with ExitStack() as stack:
            schedules = [
                Schedule(random.Random(dice.random()), dice.choice(users), stack, number)
                for number in range(first, first + AT_ONCE)
            ]
            await asyncio.gather(*(schedule.play() for schedule in schedules))
        books |= {each.bill.run_id: (each.bill.user_id, each.bill.purpose, each.books) for each in schedules}
    print(f"seed {seed}")
    lines: dict[ObjectId, list[dict[str, Any]]] = {}
    async for line in database().usage.find({}):
        lines.setdefault(line["run_id"], []).append(line)
    for run_id, (user_id, purpose, book) in books.items():
        charged = sorted(lines.pop(run_id, []), key=lambda line: line["step"])
        told = [(line["model"], line["input_tokens"], line["output_tokens"], line["cost_micros"]) for line in charged]
        assert told == book.calls, f"seed {seed}"
        assert [line["step"] for line in charged] == list(range(len(book.calls)))
        assert all((line["user_id"], line["purpose"]) == (user_id, purpose) for line in charged)
    assert lines == {}
    paid = {
        user: [call for owner, _, book in books.values() if owner == user for call in book.calls] for user in payers
    }
    for user, budget in zip(payers, tokens, strict=True):
        [spending] = await store.spending_of([untouched(budget, user, now()).id])
        assert (spending.used, spending.holds) == (sum(read + written for _, read, written, _ in paid[user]), [])
    [spending] = await store.spending_of([untouched(money, payers[0], now()).id])
    assert (spending.used, spending.holds) == (sum(cost for calls in paid.values() for *_, cost in calls), [])
