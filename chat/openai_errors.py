"""Refusals in OpenAI's shape: `{"error": {message, type, param, code}}`.

Statuses and codes are OpenAI's where it has them (https://platform.openai.com/docs/guides/error-codes): its clients
choose their exceptions by the status, and people look for the code.
"""

from http import HTTPStatus
from typing import Any, Final

import orjson
from django.http import HttpResponse

from chat.errors import BadCompletionRequest
from eloquent.foundation.errors import EloquentError, Throttled
from inference.errors import ModelNotOffered, PromptRejected, PromptTooLong

_INVALID: Final = "invalid_request_error"


def status_of(error: EloquentError) -> int:
    """The HTTP status of the refusal on `/v1`: what was sent wrong is 400 there, and an unknown model 404."""
    if isinstance(error, ModelNotOffered):
        return HTTPStatus.NOT_FOUND
    if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return HTTPStatus.BAD_REQUEST
    return error.status


def error_body(error: EloquentError) -> dict[str, Any]:
    """The error as OpenAI writes it. A vendor's words are not in it."""
    kind, param, code = _INVALID, None, error.code
    if isinstance(error, BadCompletionRequest):
        param, code = error.param, error.reason
    elif isinstance(error, ModelNotOffered):
        param, code = "model", "model_not_found"
    elif isinstance(error, PromptTooLong):
        param, code = "messages", "context_length_exceeded"
    elif isinstance(error, PromptRejected):
        param = "messages"
    elif isinstance(error, Throttled):
        kind = "rate_limit_error"
    elif error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind = "server_error"
    return {"error": {"message": error.detail, "type": kind, "param": param, "code": code}}


def openai_reply(error: EloquentError) -> HttpResponse:
    """The error as a response, with the error's own headers (`Retry-After`, `WWW-Authenticate`)."""
    reply = HttpResponse(
        orjson.dumps(error_body(error)),
        content_type="application/json",
        status=status_of(error),
        headers=error.headers,
    )
    reply.refusal = error.code  # type: ignore[attr-defined]  # for the request's line in the log
    return reply
