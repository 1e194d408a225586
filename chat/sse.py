"""A run as server-sent events: each chunk one event, its position the event's id.

The framing is the AI SDK's (https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol): its client reads only `data` and passes
over ids and comments, so a plain `EventSource` may resume by `Last-Event-ID` on the same stream.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from django.http import StreamingHttpResponse
from pymongo.errors import PyMongoError

from chat.chunks import Chunk
from chat.journal import BehindLog, Entries, LogCut
from chat.profiles import DEFAULT, Profile, fitted
from eloquent.foundation.errors import InvalidInput, StreamCut
from eloquent.foundation.ids import RunId

HEADERS: Final = {
    "Cache-Control": "no-store, no-transform",
    "Connection": "keep-alive",
    "X-Accel-Buffering": "no",
    "X-Vercel-AI-UI-Message-Stream": "v1",
}
DONE: Final = b"data: [DONE]\n\n"
STILL_ALIVE: Final = b": keep-alive\n\n"
_MOST_DIGITS: Final = 12


def stream_response(
    entries: AsyncIterator[Entries], run_id: RunId, profile: Profile = DEFAULT
) -> StreamingHttpResponse:
    """The entries as they come, then `[DONE]`. When the client leaves, only its reading ends."""
    return StreamingHttpResponse(
        events(entries, profile),
        content_type="text/event-stream",
        headers={**HEADERS, "X-Run-Id": str(run_id)},
    )


async def events(entries: AsyncIterator[Entries], profile: Profile = DEFAULT) -> AsyncIterator[bytes]:
    """The bytes of the events; entries that are ready together become one piece.

    Raises:
        StreamCut: the run's log broke off, or went on without a reader this slow. It should resume.
    """
    try:
        async for first, ready, is_replay in entries:
            chunks = ready if profile is Profile.SEVEN else [fitted(chunk, profile) for chunk in ready]
            if is_replay:
                yield _replayed(first, chunks)
            elif chunks:
                yield b"".join(b"id: %d\ndata: %b\n\n" % numbered for numbered in enumerate(chunks, first))
            else:
                yield STILL_ALIVE
    except (LogCut, BehindLog, PyMongoError) as error:
        raise StreamCut from error
    yield DONE


def _replayed(first: int, chunks: Sequence[Chunk]) -> bytes:
    """The events of a replay. A reader that is cut off within it must begin anew, so only the last one has an id."""
    *others, last = chunks
    events = [b"data: %b\n\n" % chunk for chunk in others]
    return b"".join([*events, b"id: %d\ndata: %b\n\n" % (max(first + len(others), 0), last)])


def position_after(last_event_id: str | None) -> int:
    """The position that a `Last-Event-ID` names; -1 without one.

    Raises:
        InvalidInput: it is not a number that we sent.
    """
    if not last_event_id:
        return -1
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= _MOST_DIGITS):
        raise InvalidInput("Last-Event-ID is the number of an event of this stream.")
    return int(last_event_id)
