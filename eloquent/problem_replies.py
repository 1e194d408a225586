"""An expected failure as an HTTP response: problem+json (RFC 9457) with its headers."""

from typing import Final

import orjson
from django.http import HttpResponse

from eloquent.foundation.errors import EloquentError, problem
from eloquent.foundation.logs import request_id_of

PROBLEM: Final = "application/problem+json"


def problem_reply(error: EloquentError) -> HttpResponse:
    """The error's status, headers and body, with the id of the request that it answers."""
    reply = HttpResponse(
        orjson.dumps(problem(error, request_id_of())),
        content_type=PROBLEM,
        status=error.status,
        headers=error.headers,
    )
    reply.refusal = error.code  # type: ignore[attr-defined]  # for the request's line in the log
    return reply
