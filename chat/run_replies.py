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
    "description": "The run's chunks as server-sent events (the AI SDK's UI message stream): each event's data is one "
    "`UIMessageChunk` as JSON, its id the chunk's position from 0; the last event's data is `[DONE]`.",
    "headers": {
        "X-Run-Id": {"description": "the run", "schema": {"type": "string", "pattern": "^[0-9a-f]{24}$"}},
        "X-Vercel-AI-UI-Message-Stream": {"description": "the protocol", "schema": {"type": "string", "const": "v1"}},
    },
    "content": {
        "text/event-stream": {
            "schema": {"$ref": "#/components/schemas/UIMessageEvent"},
            "example": {"id": "4", "data": '{"type":"text-delta","id":"text-0","delta":"Three minutes."}'},
        }
    },
}


async def started_reply(request: HttpRequest, run: Run) -> HttpResponseBase:
    """With `Accept: text/event-stream` the answer's stream; else 202 and the run."""
    if "text/event-stream" in request.headers.get("Accept", ""):
        return sse.stream_response(await runs.entries_begun_by(run), run.id)
    return json_reply(run_out(run), status=202)
