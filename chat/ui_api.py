"""The routes that the AI SDK's `useChat` talks to over HTTP: send, resume, stop, and the messages to begin with.

Protocol: https://ai-sdk.dev/docs/ai-sdk-ui/transport and /chatbot-resume-streams. `DefaultChatTransport` with
`api: ".../api/v1/ui/chat"` needs no more than the access token in its headers.
"""

from typing import Annotated

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Header, Path, Query, Router

from accounts.authentication import SessionAuth, identity_of
from chat import conversations, runs, sse, ui_runs
from chat.posting import wish_in_body
from chat.profiles import profile_of
from chat.run_replies import STREAM_DOC, IdempotencyKey
from chat.schemas import RunOut, run_out
from chat.ui_schemas import POSTED_DOC, UIChatOut, UIStop, ui_messages_out
from eloquent.foundation.errors import NotFound
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Cursor, PageSize
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import empty_reply, json_reply

router = Router(tags=["AI SDK"], auth=SessionAuth())

ChatId = Annotated[str, Path(max_length=64, description="the conversation's id, or the name that the client gave it")]
Version = Annotated[
    str | None,
    Header(
        alias="X-AI-SDK-Version",
        max_length=64,
        description="the AI SDK's version, `5`, `6.0.1` or `7`: what it cannot read is not sent. 6 without it.",
    ),
]
ProfileName = Annotated[
    str | None, Query(alias="profile", max_length=64, description="as the header, which a client may be unable to set")
]
RunIdInQuery = Annotated[ObjectIdField | None, Query(alias="runId", description="as `runId` in the body")]


@router.post(
    "/ui/chat",
    response=problems(401, 404, 409, 422, 429),
    operation_id="ui_send",
    summary="Send, edit or regenerate with useChat",
    openapi_extra={"requestBody": POSTED_DOC, "responses": {200: STREAM_DOC}},
)
async def ui_send(
    request: HttpRequest,
    version: Version = None,
    profile: ProfileName = None,
    idempotency_key: IdempotencyKey = None,
) -> HttpResponseBase:
    """What `DefaultChatTransport` posts, and the answer's stream.

    Of the messages only the last one is read: the server is the author of history. An `id` that is none of ours is the
    client's name for the conversation, which the first message begins. The answer goes on when the reader leaves.
    """
    spoken = profile_of(version or profile)
    chat_id, wish = wish_in_body(request.body)
    owner = identity_of(request).user_id
    run = await ui_runs.start(owner, chat_id, wish, idempotency_key=idempotency_key or None)
    return sse.stream_response(await runs.entries_begun_by(run), run.id, spoken)


@router.get(
    "/ui/chat/{chat_id}/stream",
    response={204: None, **problems(401, 404, 422)},
    operation_id="ui_resume",
    summary="Resume the running answer with useChat",
    openapi_extra={"responses": {200: STREAM_DOC}},
)
async def ui_resume(
    request: HttpRequest, chat_id: ChatId, version: Version = None, profile: ProfileName = None
) -> HttpResponseBase:
    """The whole stream of the answer that is being written, from its `start`; 204 when none is."""
    spoken = profile_of(version or profile)
    owner = identity_of(request).user_id
    run = await ui_runs.active_run(owner, chat_id)
    if run is None:
        return empty_reply()
    return sse.stream_response(await runs.entries_of(owner, run.id), run.id, spoken)


@router.post(
    "/ui/chat/{chat_id}/stop",
    response={200: RunOut, 204: None, **problems(401, 404, 422)},
    operation_id="ui_stop",
    summary="Stop the running answer",
)
async def ui_stop(
    request: HttpRequest, chat_id: ChatId, body: UIStop | None = None, run_id: RunIdInQuery = None
) -> HttpResponse:
    """The stopped run; 204 when nothing runs, or not the run that was named. What was written is kept.

    A `useChat` that stops over HTTP only stops reading: this is how the language model is told.
    """
    owner = identity_of(request).user_id
    named = (body.run_id if body else None) or run_id
    run = await ui_runs.active_run(owner, chat_id, named=named)
    if run is None:
        return empty_reply()
    return json_reply(run_out(await runs.stop_run(owner, run.id)))


@router.get(
    "/ui/chat/{chat_id}",
    response={200: UIChatOut, **problems(401, 404, 422)},
    operation_id="ui_messages",
    summary="Read the messages to give to useChat",
)
async def ui_messages(
    request: HttpRequest, chat_id: ChatId, cursor: Cursor = None, limit: PageSize = 30
) -> HttpResponse:
    """The newest messages of the branch shown, oldest first, as UIMessages; `next_cursor` leads to the older ones.

    An answer that is being written is left out: it comes with the resumed stream, from its beginning.
    """
    owner = identity_of(request).user_id
    conversation = await ui_runs.conversation_called(owner, chat_id)
    if conversation is None:
        raise NotFound("There is no such conversation.")
    window = await conversations.branch_window(owner, conversation.id, cursor=cursor, limit=limit)
    return json_reply(ui_messages_out(conversation, window))
