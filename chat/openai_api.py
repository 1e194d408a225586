"""OpenAI's interface at `/v1`, for programs that know it: completions, vectors and the list of models, with API keys.

Stateless: nothing is stored, and an answer ends with its client. The shapes are in `chat.openai_wire` and
`chat.openai_answers`, refusals in `chat.openai_errors`; whatever goes wrong on `/v1` is answered in that shape, see
`eloquent.middleware`. It is not in our OpenAPI document: the interface is OpenAI's, and documented there.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import wraps
from typing import Any, Final, Self, TypeAlias

from bson import ObjectId
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from accounts.admitted import admit
from accounts.api_key_access import Scope, identity_of_api_key
from chat.completions import Completion, Delta, begin_completion, written_in
from chat.embeddings import vectors_for
from chat.openai_answers import (
    DONE,
    STILL_ALIVE,
    ChunkWriter,
    completion_out,
    failure,
    model_out,
    models_out,
    usage_out,
)
from chat.openai_embeddings import embeddings_out, embeddings_request
from chat.openai_pictures import PictureLimits
from chat.openai_wire import MOST_WORDS_BYTES, CompletionRequest, completion_request
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import EloquentError
from eloquent.foundation.ids import UserId
from eloquent.foundation.leaving import ends_with_client
from eloquent.foundation.replies import json_reply
from eloquent.foundation.timeout_chain import HEARTBEAT_S
from inference.catalog import embedder_named, embedders_for, model_named, models_for
from inference.errors import AnswerCutOff, ModelNotOffered
from inference.offers import OfferedModel
from inference.types import PromptRequest, ReasoningDelta, ToolCall

View: TypeAlias = Callable[..., Coroutine[Any, Any, HttpResponseBase]]

_STREAM_HEADERS: Final = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}


def _only(method: str) -> Callable[[View], View]:
    """Refuse every other method before the view is asked."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def guarded(request: HttpRequest, **path: str) -> HttpResponseBase:
            if request.method != method:
                return HttpResponse(status=405, headers={"Allow": method})
            return await view(request, **path)

        return guarded

    return decorate


@_only("GET")
async def list_models(request: HttpRequest) -> HttpResponseBase:
    """The models that the key's owner may use now, those that only make vectors behind the others."""
    identity = await identity_of_api_key(request, Scope.MODELS)
    return json_reply(models_out(await _models_for(identity.user_id)))


@_only("GET")
async def read_model(request: HttpRequest, model_id: str) -> HttpResponseBase:
    """One of them, by its id."""
    identity = await identity_of_api_key(request, Scope.MODELS)
    for model in await _models_for(identity.user_id):
        if model.id == model_id:
            return json_reply(model_out(model))
    raise ModelNotOffered(model_id)


@ends_with_client
@_only("POST")
async def create_completion(request: HttpRequest) -> HttpResponseBase:
    """An answer, whole or as a stream.

    What goes wrong before the first word is answered by a status, as far as it is known within HEARTBEAT_S; later on
    the stream has begun, and a failure is its last event.
    """
    identity = await identity_of_api_key(request, Scope.CHAT)
    asked = await _asked(request.body)
    model = await model_named(asked.model, identity.user_id)
    prompt = PromptRequest(model=model.id, messages=asked.messages, options=asked.options, tools=asked.tools)
    completion = begin_completion(identity.user_id, model, prompt)
    gone = admit(identity, completion.refuse)
    completion.writing.add_done_callback(lambda _: gone())
    if asked.stream:
        stream = _Stream(completion, asked)
        try:
            await completion.until_begun(HEARTBEAT_S)
        except BaseException:
            await stream.aclose()
            raise
        return StreamingHttpResponse(stream, content_type="text/event-stream", headers=_STREAM_HEADERS)
    try:
        return await _whole(completion)
    finally:
        await completion.aclose()


@ends_with_client
@_only("POST")
async def create_embeddings(request: HttpRequest) -> HttpResponseBase:
    """Texts as vectors, by a model that makes them."""
    identity = await identity_of_api_key(request, Scope.EMBEDDINGS, Scope.CHAT)
    asked = embeddings_request(request.body)
    model = await embedder_named(asked.model, identity.user_id)
    made = await vectors_for(identity.user_id, model, asked.texts)
    told = embeddings_out(model.id, made.vectors, asked.encoding, texts=asked.texts, input_tokens=made.input_tokens)
    return json_reply(told)


async def _models_for(user_id: UserId) -> list[OfferedModel]:
    chatting = await models_for(user_id)
    known = {model.id for model in chatting}
    return chatting + [model for model in await embedders_for(user_id) if model.id not in known]


async def _asked(body: bytes) -> CompletionRequest:
    config = get_config()
    limits = PictureLimits(config.attachment_max_bytes, config.attachment_max_pixels)
    if len(body) <= MOST_WORDS_BYTES:
        return completion_request(body, limits)
    # To walk through the pictures takes longer than an answer's next words may wait.
    return await asyncio.to_thread(completion_request, body, limits)


async def _whole(completion: Completion) -> HttpResponse:
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    async for deltas in completion.deltas(silence_s=None):
        for delta in deltas:
            if isinstance(delta, ToolCall):
                calls.append(delta)
            else:
                (reasoning if isinstance(delta, ReasoningDelta) else text).append(delta.text)
    finished = completion.finished
    if finished is None:
        raise AnswerCutOff(completion.model.name)
    return json_reply(
        completion_out(
            _new_id(),
            created_s=int(time.time()),
            model=completion.model.id,
            text="".join(text),
            reasoning="".join(reasoning),
            calls=calls,
            reason=finished.reason,
            usage=usage_out(finished.usage, completion.request, "".join([*reasoning, *text, *map(written_in, calls)])),
        )
    )


class _Stream:
    """The events of a streamed completion.

    More than the generator inside it: one that was never started cannot be closed, and the model would write on.
    """

    def __init__(self, completion: Completion, asked: CompletionRequest) -> None:
        self._completion = completion
        self._events = _events(completion, asked)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._events)

    async def aclose(self) -> None:
        """End the answer; return when the connection to the model is closed."""
        await self._events.aclose()
        await self._completion.aclose()

    def close(self) -> None:
        """As `aclose`: Django's way, for a response that was never sent."""
        self._completion.abandon()


async def _events(completion: Completion, asked: CompletionRequest) -> AsyncGenerator[bytes, None]:
    writer = ChunkWriter(
        _new_id(), created_s=int(time.time()), model=completion.model.id, with_usage=asked.include_usage
    )
    begun = writer.opening()
    if not completion.begun:
        # The model is silent for long already: let the reader see that the stream is open.
        yield begun
        begun = b""
    written: list[str] = []
    try:
        async for deltas in completion.deltas(silence_s=HEARTBEAT_S):
            events = [_event(writer, delta) for delta in deltas]
            if asked.include_usage:
                written += map(written_in, deltas)
            yield begun + (b"".join(events) or STILL_ALIVE)
            begun = b""
        finished = completion.finished
        if finished is None:
            raise AnswerCutOff(completion.model.name)
    except EloquentError as error:
        yield begun + failure(error)
        return
    usage = usage_out(finished.usage, completion.request, "".join(written)) if asked.include_usage else {}
    yield begun + writer.ending(finished.reason, usage) + DONE


def _event(writer: ChunkWriter, delta: Delta) -> bytes:
    if isinstance(delta, ToolCall):
        return writer.call(delta)
    return writer.delta(delta.text, reasoning=isinstance(delta, ReasoningDelta))


def _new_id() -> str:
    return f"chatcmpl-{ObjectId()}"
