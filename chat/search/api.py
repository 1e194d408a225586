"""Search over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Final

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema

from accounts.authentication import SessionAuth, identity_of
from chat.search.finding import Hit, messages_like
from chat.search.query import LONGEST_QUERY
from chat.types import Role
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Cursor, PageSize
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import json_reply

router = Router(tags=["chat"], auth=SessionAuth())

_PAGE: Final = 20


class SegmentOut(Schema):
    """A piece of an excerpt: plain text, never HTML. `match` when it is what was searched for."""

    text: str
    match: bool


class HitOut(Schema):
    """A message that was found. `score` orders the hits of one search and means nothing elsewhere."""

    message_id: ObjectIdField
    conversation_id: ObjectIdField
    conversation_title: str
    archived: bool
    role: Role
    created_at: datetime
    score: int
    excerpt: list[SegmentOut]


class HitPage(Schema):
    """Hits, best first. `truncated` when more messages match than were put in order: more words find the rest."""

    items: list[HitOut]
    next_cursor: str | None
    truncated: bool


@router.get(
    "/search",
    response={200: HitPage, **problems(401, 422)},
    operation_id="search_messages",
    summary="Search in one's messages",
)
async def search_messages(
    request: HttpRequest,
    *,
    q: Annotated[str, Query(max_length=LONGEST_QUERY)],
    conversation_id: ObjectIdField | None = None,
    role: Role | None = None,
    cursor: Cursor = None,
    limit: PageSize = _PAGE,
) -> HttpResponse:
    """Messages that have every word of `q`, whole, whatever its case and accents; words in quotes stand together.

    No other sign means anything, and a `q` without a word finds nothing. Chinese, Japanese, Korean, Thai and other
    scripts without spaces are found wherever they stand. All branches of all conversations are searched, archived ones
    too, or those of one conversation; answers once they are at rest.
    """
    hits = await messages_like(
        identity_of(request).user_id, q, conversation_id=conversation_id, role=role, cursor=cursor, limit=limit
    )
    items = [_hit_out(hit) for hit in hits.items]
    return json_reply({"items": items, "next_cursor": hits.next_cursor, "truncated": hits.truncated})


def _hit_out(hit: Hit) -> dict[str, Any]:
    return {
        "message_id": str(hit.message.id),
        "conversation_id": str(hit.message.conversation_id),
        "conversation_title": hit.conversation.title,
        "archived": hit.conversation.archived,
        "role": hit.message.role,
        "created_at": hit.message.created_at,
        "score": hit.score,
        "excerpt": [{"text": segment.text, "match": segment.match} for segment in hit.excerpt],
    }
