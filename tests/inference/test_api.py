"""GET /models: what a person may choose from."""

import json

from ninja.testing import TestAsyncClient

from inference.api import router
from inference.catalog import OfferedModel, offering
from inference.providers.scripted import Scripted


async def test_the_models_offered_are_listed_with_all_that_a_choice_needs() -> None:
    model = OfferedModel("test/x", "x", "test", default=True, context_window=10, capabilities=("tools",))
    with offering(model, Scripted(())):
        answered = await TestAsyncClient(router).get("/models")
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
    }
    assert [item["id"] for item in told["items"] if item["default"]] == ["test/x"]
