"""GET /models: what a person may choose from."""

import json
from typing import Any

import pytest
from bson import ObjectId
from ninja.testing import TestAsyncClient

from eloquent.foundation.errors import Unavailable
from inference import catalog
from inference.api import router
from inference.catalog import offering
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted


class SomeUser:
    """As much of an identity as the routes ask for."""

    def __init__(self, user_id: ObjectId) -> None:
        self.user_id = user_id


@pytest.mark.django_db(transaction=True)
async def test_the_models_offered_are_listed_with_all_that_a_choice_needs() -> None:
    model = OfferedModel("test/x", "x", "test", default=True, context_window=10, capabilities=("tools",))
    with offering(model, Scripted(())):
        answered = await TestAsyncClient(router).get("/models", auth=SomeUser(ObjectId()))
    assert answered.status_code == 200
    told = json.loads(answered.content)
    assert told["next_cursor"] is None
    assert told["items"][0] == {
        "id": "test/x",
        "name": "x",
        "provider": "test",
        "default": True,
        "context_window": 10,
        "capabilities": ["tools"],
        "loaded": None,
        "price": None,
    }
    assert [item["id"] for item in told["items"] if item["default"]] == ["test/x"]


async def test_nobody_is_offered_a_model_before_it_is_known_who_may_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away() -> dict[str, Any]:
        raise ConnectionError("away")

    await catalog.close_catalog()
    monkeypatch.setattr(catalog, "decisions", away)
    try:
        with pytest.raises(Unavailable):
            await catalog.models_for(ObjectId())
        assert await catalog.models_offered() is not None  # the operator's own commands go on
    finally:
        await catalog.close_catalog()
