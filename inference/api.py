"""The language models over HTTP."""

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from eloquent.foundation.problems import problems
from eloquent.foundation.replies import json_reply
from inference.catalog import models_offered

router = Router(tags=["models"])


class ModelOut(Schema):
    """A language model that a person may choose. `context_window` is in tokens."""

    id: str
    name: str
    provider: str
    default: bool
    context_window: int
    capabilities: list[str]


class ModelList(Schema):
    """All of them: the list is short, so `next_cursor` is always null."""

    items: list[ModelOut]
    next_cursor: str | None = None


@router.get(
    "/models",
    response={200: ModelList, **problems(401)},
    operation_id="list_models",
    summary="List the language models offered",
)
async def list_models(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  (ninja hands it over)
    """The models offered now. A server that is down hides its own models only."""
    items = [
        {
            "id": model.id,
            "name": model.shown_name,
            "provider": model.provider,
            "default": model.default,
            "context_window": model.context_window,
            "capabilities": model.capabilities,
        }
        for model in await models_offered()
    ]
    return json_reply({"items": items, "next_cursor": None})
