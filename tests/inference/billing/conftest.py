"""Budgets as staff would have made them, and a provider that knows what it has written."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import pytest_asyncio
from bson import ObjectId

from eloquent.foundation import membership
from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of
from inference import catalog, retries
from inference.billing.bill import all_settled
from inference.billing.current import forget_budgets
from inference.billing.types import Budget, Period, Unit
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted, Step
from inference.timeouts import Timeouts
from inference.types import Price

PRICE = Price(input_micros=3_000_000, output_micros=15_000_000)


class Desk:
    """Where staff sit: budgets that hold at once, and who is in which group."""

    def __init__(self) -> None:
        self.groups: dict[ObjectId, frozenset[ObjectId]] = {}

    async def budget(self, **fields: Any) -> Budget:
        kept = {"id": ObjectId(), "name": "Monthly", "period": Period.MONTH, "unit": Unit.TOKENS, "limit": 1_000_000}
        budget = Budget(**{**kept, **fields})
        await database().budgets.insert_one(document_of(budget))
        await forget_budgets()
        return budget

    async def groups_of(self, user_id: ObjectId) -> frozenset[ObjectId]:
        return self.groups.get(user_id, frozenset())


@pytest_asyncio.fixture
async def desk(db: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    desk = Desk()
    monkeypatch.setattr(membership, "_look_up", desk.groups_of)
    for collection in ("budgets", "budget_spending", "usage"):
        await database()[collection].delete_many({})
    await forget_budgets()
    yield desk
    await all_settled()
    await forget_budgets()


class Offers:
    """Scripted models, each on a server of its own; every call plays its server's next script, the last for ever."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def add(self, name: str, *scripts: list[Step], price: Price | None = PRICE, **fields: Any) -> OfferedModel:
        left = list(scripts)
        server = Scripted(lambda _: left.pop(0) if len(left) > 1 else left[0], name=name)
        patient = Timeouts(first_token_s=60, idle_s=60, total_s=60)
        fields = {"default": False, "context_window": 4096, "timeouts": patient, **fields}
        model = OfferedModel(f"{name}/it", "it", name, price=price, **fields)
        self._stack.enter_context(catalog.offering(model, server))
        return model


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Offers]:
    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.0)
    with ExitStack() as stack:
        yield Offers(stack)
