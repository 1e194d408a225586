"""GET /models: what a person may choose from."""

import json

from bson import ObjectId
from ninja.testing import TestAsyncClient

from inference.api import router
from inference.catalog import offering
from inference.offers import OfferedModel
from inference.providers.scripted import Scripted


class SomeUser:
    """As much of an identity as the routes ask for."""

    def __init__(self, user_id: ObjectId) -> None:
        self.user_id = user_id


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
