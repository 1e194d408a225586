"""Conversations, messages and runs over HTTP."""

from typing import Annotated

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Header, Router

from accounts.authentication import SessionAuth, identity_of
from chat import branches, conversations, removal, runs, sse
from chat.asking import Ask
from chat.posting import message_parts
from chat.run_replies import STREAM_DOC, IdempotencyKey, started_reply
from chat.schemas import (
    ConversationChanges,
    ConversationOut,
    ConversationPage,
    MessagePage,
    NewConversation,
    NewRun,
    RunOut,
    conversation_out,
    generation_options,
    message_out,
    page_out,
    run_out,
)
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Cursor, PageSize
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import empty_reply, json_reply

router = Router(tags=["chat"], auth=SessionAuth())


@router.get(
    "/conversations",
    response={200: ConversationPage, **problems(401, 422)},
    operation_id="list_conversations",
    summary="List conversations",
)
async def list_conversations(
    request: HttpRequest, archived: bool = False, cursor: Cursor = None, limit: PageSize = 30
) -> HttpResponse:
    """Pinned ones first, then the latest changed first."""
    page = await conversations.conversations_of(
        identity_of(request).user_id, archived=archived, cursor=cursor, limit=limit
    )
    return json_reply(page_out([conversation_out(item) for item in page.items], page.next_cursor))


@router.post(
    "/conversations",
    response={201: ConversationOut, **problems(401, 422)},
    operation_id="create_conversation",
    summary="Create a conversation",
)
async def create_conversation(request: HttpRequest, body: NewConversation) -> HttpResponse:
    """A new, empty conversation. Its title comes with its first message unless one is given."""
    created = await conversations.create_conversation(
        identity_of(request).user_id, title=body.title, model=body.model, system_prompt=body.system_prompt
    )
    return json_reply(conversation_out(created), status=201)


@router.get(
    "/conversations/{conversation_id}",
    response={200: ConversationOut, **problems(401, 404, 422)},
    operation_id="read_conversation",
    summary="Read a conversation",
)
async def read_conversation(request: HttpRequest, conversation_id: ObjectIdField) -> HttpResponse:
    """The conversation without its messages."""
    conversation = await conversations.conversation_of(identity_of(request).user_id, conversation_id)
    return json_reply(conversation_out(conversation))


@router.patch(
    "/conversations/{conversation_id}",
    response={200: ConversationOut, **problems(401, 404, 422)},
    operation_id="change_conversation",
    summary="Rename, pin, archive or set up a conversation",
)
async def change_conversation(
    request: HttpRequest, conversation_id: ObjectIdField, body: ConversationChanges
) -> HttpResponse:
    """Only the fields that are sent change. The conversation keeps its place in the list unless it is pinned."""
    changed = await conversations.change_conversation(
        identity_of(request).user_id, conversation_id, body.model_dump(exclude_unset=True)
    )
    return json_reply(conversation_out(changed))


@router.delete(
    "/conversations/{conversation_id}",
    response={204: None, **problems(401, 404, 422)},
    operation_id="delete_conversation",
    summary="Delete a conversation",
)
async def delete_conversation(request: HttpRequest, conversation_id: ObjectIdField) -> HttpResponse:
    """With all its messages, for good. Answers in the making are stopped first."""
    await removal.delete_conversation(identity_of(request).user_id, conversation_id)
    return empty_reply()


@router.get(
    "/conversations/{conversation_id}/messages",
    response={200: MessagePage, **problems(401, 404, 422)},
    operation_id="list_messages",
    summary="Read the branch shown",
)
async def list_messages(
    request: HttpRequest,
    conversation_id: ObjectIdField,
    cursor: Cursor = None,
    limit: PageSize = 30,
    siblings: bool = False,
) -> HttpResponse:
    """The newest messages of the branch, oldest first; `next_cursor` leads to the older ones.

    With `siblings=true` each message says where it stands among those beside it: "2 of 3", and who comes
    before and behind it.
    """
    owner = identity_of(request).user_id
    window = await conversations.branch_window(owner, conversation_id, cursor=cursor, limit=limit)
    places = await branches.places_of(owner, window.items) if siblings else {}
    return json_reply(page_out([message_out(item, places.get(item.id)) for item in window.items], window.next_cursor))


@router.post(
    "/conversations/{conversation_id}/runs",
    response={202: RunOut, **problems(401, 404, 409, 422, 429)},
    operation_id="start_run",
    summary="Send a message and start its answer",
    openapi_extra={"responses": {200: STREAM_DOC}},
)
async def start_run(
    request: HttpRequest, conversation_id: ObjectIdField, body: NewRun, idempotency_key: IdempotencyKey = None
) -> HttpResponseBase:
    """With `Accept: text/event-stream` the answer's stream; else 202 and the run, whose stream can be read at leisure.

    The answer goes on when the reader leaves. A repeated `Idempotency-Key` returns the first run. While an answer is
    being written at the same place, `on_busy` decides: `conflict` answers 409 `branch_busy`; `sibling` begins a branch
    beside it, and of two the one that was started last is shown.
    """
    owner = identity_of(request).user_id
    ask = Ask(
        parts=message_parts([part.model_dump() for part in body.parts]),
        parent_id=body.parent_id if "parent_id" in body.model_fields_set else msgspec.UNSET,
        model=body.model,
        options=generation_options(body.options),
        tools=None if body.tools is None else tuple(body.tools),
        on_busy=body.on_busy,
        idempotency_key=idempotency_key or None,
    )
    return await started_reply(request, await runs.start_run(owner, conversation_id, ask))


@router.get(
    "/runs/{run_id}",
    response={200: RunOut, **problems(401, 404, 422)},
    operation_id="read_run",
    summary="Read a run's state",
)
async def read_run(request: HttpRequest, run_id: ObjectIdField) -> HttpResponse:
    """Where the run is between its request and its rest."""
    return json_reply(run_out(await runs.run_of(identity_of(request).user_id, run_id)))


@router.get(
    "/runs/{run_id}/stream",
    response=problems(401, 404, 422),
    operation_id="stream_run",
    summary="Read a run's answer as it is written",
    openapi_extra={"responses": {200: STREAM_DOC}},
)
async def stream_run(
    request: HttpRequest,
    run_id: ObjectIdField,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=32)] = None,
) -> HttpResponseBase:
    """From the beginning, or behind the event that `Last-Event-ID` names, with nothing lost or twice.

    Minutes after the run's end its events are no longer kept: then the whole saved answer comes, from its `start`.
    """
    entries = await runs.entries_of(identity_of(request).user_id, run_id, after=sse.position_after(last_event_id))
    return sse.stream_response(entries, run_id)


@router.post(
    "/runs/{run_id}/stop",
    response={200: RunOut, **problems(401, 404, 422)},
    operation_id="stop_run",
    summary="Stop a run",
)
async def stop_run(request: HttpRequest, run_id: ObjectIdField) -> HttpResponse:
    """The model stops, what was written is kept. A run at rest stays as it is."""
    return json_reply(run_out(await runs.stop_run(identity_of(request).user_id, run_id)))
