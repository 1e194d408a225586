"""How an operation that starts a run is asked and answered: as a stream, or with the run."""

from typing import Annotated, Any, Final, TypeAlias

from django.http import HttpRequest, HttpResponseBase
from ninja import Header

from chat import runs, sse
from chat.schemas import run_out
from chat.types import Run
from eloquent.foundation.replies import json_reply

_LONGEST_KEY: Final = 200

IdempotencyKey: TypeAlias = Annotated[str | None, Header(alias="Idempotency-Key", max_length=_LONGEST_KEY)]

# How a streaming operation describes itself: the stream beside the JSON.
STREAM_DOC: Final[dict[str, Any]] = {
    "description": "The run's chunks as server-sent events (AI SDK UI message stream), then `[DONE]`.",
    "content": {"text/event-stream": {"schema": {}}},
}


async def started_reply(request: HttpRequest, run: Run) -> HttpResponseBase:
    """With `Accept: text/event-stream` the answer's stream; else 202 and the run."""
    if "text/event-stream" in request.headers.get("Accept", ""):
        return sse.stream_response(await runs.entries_of(run.user_id, run.id), run.id)
    return json_reply(run_out(run), status=202)
