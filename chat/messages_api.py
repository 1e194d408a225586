"""Single messages over HTTP: other wordings, other answers, the branch shown, and opinions."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Router

from accounts.authentication import SessionAuth, identity_of
from chat import approvals, branches, feedback, runs
from chat.asking import Ask
from chat.message_schemas import ApprovalsIn, FeedbackIn, Regeneration, Rewording, SiblingsOut, siblings_out
from chat.posting import message_parts
from chat.run_replies import STREAM_DOC, IdempotencyKey, started_reply
from chat.schemas import ConversationOut, MessageOut, RunOut, conversation_out, generation_options, message_out
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Cursor, PageSize
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import json_reply
from inference.steps import Decision

router = Router(tags=["messages"], auth=SessionAuth())


@router.post(
    "/messages/{message_id}/edit",
    response={202: RunOut, **problems(401, 404, 409, 422, 429)},
    operation_id="edit_message",
    summary="Word a message anew and start its answer",
    openapi_extra={"responses": {200: STREAM_DOC}},
)
async def edit_message(
    request: HttpRequest, message_id: ObjectIdField, body: Rewording, idempotency_key: IdempotencyKey = None
) -> HttpResponseBase:
    """The new wording becomes a sibling of the user's message and the branch shown; the old one stays.

    Answered as a send is: with `Accept: text/event-stream` by the stream, else by 202 and the run.
    """
    owner = identity_of(request).user_id
    message = await branches.message_of(owner, message_id)
    ask = Ask(
        parts=message_parts([part.model_dump() for part in body.parts]),
        edits=message.id,
        model=body.model,
        options=generation_options(body.options),
        tools=None if body.tools is None else tuple(body.tools),
        on_busy=body.on_busy,
        idempotency_key=idempotency_key or None,
    )
    return await started_reply(request, await runs.start_run(owner, message.conversation_id, ask))


@router.post(
    "/messages/{message_id}/regenerate",
    response={202: RunOut, **problems(401, 404, 409, 422, 429)},
    operation_id="regenerate_message",
    summary="Start another answer beside this one",
    openapi_extra={"responses": {200: STREAM_DOC}},
)
async def regenerate_message(
    request: HttpRequest, message_id: ObjectIdField, body: Regeneration, idempotency_key: IdempotencyKey = None
) -> HttpResponseBase:
    """The other answer becomes a sibling and the branch shown; this one stays. The body may be `{}`.

    Answered as a send is: with `Accept: text/event-stream` by the stream, else by 202 and the run.
    """
    owner = identity_of(request).user_id
    message = await branches.message_of(owner, message_id)
    ask = Ask(
        regenerates=message.id,
        model=body.model,
        options=generation_options(body.options),
        tools=None if body.tools is None else tuple(body.tools),
        on_busy=body.on_busy,
        idempotency_key=idempotency_key or None,
    )
    return await started_reply(request, await runs.start_run(owner, message.conversation_id, ask))


@router.post(
    "/messages/{message_id}/approvals",
    response={202: RunOut, **problems(401, 404, 409, 422, 429)},
    operation_id="approve_calls",
    summary="Decide about the tools that an answer wants to call",
    openapi_extra={"responses": {200: STREAM_DOC}},
)
async def approve_calls(
    request: HttpRequest, message_id: ObjectIdField, body: ApprovalsIn, idempotency_key: IdempotencyKey = None
) -> HttpResponseBase:
    """The answer goes on in a run of its own: what was agreed to is called, what was denied is not.

    It waits while parts of it are in the state `approval-requested`; all of them are decided at once. The stream goes
    on where the answer stopped, so it begins without a `start`; `GET /runs/{run_id}/stream` has all of it.
    Answered as a send is: with `Accept: text/event-stream` by the stream, else by 202 and the run.
    """
    decisions = {given.approval_id: Decision(given.approved, given.reason) for given in body.approvals}
    run = await approvals.go_on(
        identity_of(request).user_id, message_id, decisions, idempotency_key=idempotency_key or None
    )
    return await started_reply(request, run)


@router.get(
    "/messages/{message_id}/siblings",
    response={200: SiblingsOut, **problems(401, 404, 422)},
    operation_id="list_siblings",
    summary="List a message and those beside it",
)
async def list_siblings(
    request: HttpRequest, message_id: ObjectIdField, cursor: Cursor = None, limit: PageSize = 30
) -> HttpResponse:
    """Wordings of the same question, or answers to it, from the first to the newest."""
    page = await branches.siblings_of(identity_of(request).user_id, message_id, cursor=cursor, limit=limit)
    return json_reply(siblings_out(page))


@router.post(
    "/messages/{message_id}/show",
    response={200: ConversationOut, **problems(401, 404, 422)},
    operation_id="show_message",
    summary="Show the branch of a message",
)
async def show_message(request: HttpRequest, message_id: ObjectIdField) -> HttpResponse:
    """Shows the newest branch through the message: the newest of what was written below it becomes the leaf.

    Answers the conversation as it is then. It keeps its place in the list. Repeated, it changes nothing.
    """
    return json_reply(conversation_out(await branches.show_branch(identity_of(request).user_id, message_id)))


@router.put(
    "/messages/{message_id}/feedback",
    response={200: MessageOut, **problems(401, 404, 422)},
    operation_id="rate_answer",
    summary="Say what an answer was like",
)
async def rate_answer(request: HttpRequest, message_id: ObjectIdField, body: FeedbackIn) -> HttpResponse:
    """Takes the place of an earlier opinion; `{"rating": null}` takes it back. Only answers are judged."""
    owner = identity_of(request).user_id
    return json_reply(
        message_out(await feedback.keep_feedback(owner, message_id, rating=body.rating, comment=body.comment))
    )
