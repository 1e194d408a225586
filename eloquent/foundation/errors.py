"""The tree of expected failures. Anything that is not in it is a bug and becomes a 500 with a request id.

EloquentError
├── InvalidInput       422 invalid_input     what was sent cannot be used; `errors` says where
├── NotSignedIn        401 not_signed_in     no valid access token
├── Forbidden          403 forbidden         signed in, and not allowed
├── NotFound           404 not_found         none with this id, or another user's: the caller cannot tell which
├── Conflict           409 conflict          true a moment ago, not any more
├── PayloadTooLarge    413 too_large         over a limit that the sentence names
├── OutOfRange         416 out_of_range      the part of a file that was asked for begins behind its end
├── Throttled          429 throttled         too often; `retry_after_s` says when again
└── Unavailable        503 unavailable       a part we need is away, or we are shutting down

Apps add their own leaves below these. An error says what happened, to what, and what the reader can do; one handler
makes problem+json of it (RFC 9457), another socket frames. A vendor's words are chained and logged, never shown.
"""

import math
from http import HTTPStatus
from typing import Any, ClassVar


class EloquentError(Exception):
    """An expected failure with a sentence for the user.

    Args:
        detail: the sentence; without it the class's own.
        retry_after_s: seconds until trying again makes sense; becomes `Retry-After` and is shown.
        extra: further JSON-able members that are shown to the user.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    sentence: ClassVar[str] = "Something went wrong on our side."

    def __init__(self, detail: str | None = None, *, retry_after_s: float | None = None, **extra: Any) -> None:
        self.detail = detail or self.sentence
        super().__init__(self.detail)
        self.headers: dict[str, str] = {}
        self.extra: dict[str, Any] = extra
        if retry_after_s is not None:
            self.extra["retry_after_s"] = retry_after_s
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))


class InvalidInput(EloquentError):
    """What was sent cannot be used. `errors` is a list of `{loc: [...], msg}`."""

    code = "invalid_input"
    status = 422
    sentence = "What was sent cannot be used."


class NotSignedIn(EloquentError):
    """No access token, or one that is not valid any more."""

    code = "not_signed_in"
    status = 401
    sentence = "Sign in to go on."

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.headers["WWW-Authenticate"] = "Bearer"


class Forbidden(EloquentError):
    """Signed in, and not allowed."""

    code = "forbidden"
    status = 403
    sentence = "You are not allowed to do this."


class NotFound(EloquentError):
    """None with this id, or another user's: the caller cannot tell which."""

    code = "not_found"
    status = 404
    sentence = "There is nothing here."


class Conflict(EloquentError):
    """The request was right a moment ago; somebody or something else was first."""

    code = "conflict"
    status = 409
    sentence = "Something else changed this at the same time."


class PayloadTooLarge(EloquentError):
    """Over a limit that the sentence names."""

    code = "too_large"
    status = 413
    sentence = "This is too large."


class OutOfRange(EloquentError):
    """The part of a file that was asked for begins behind its end."""

    code = "out_of_range"
    status = 416
    sentence = "The file is not that long."

    def __init__(self, size: int) -> None:
        super().__init__()
        self.headers["Content-Range"] = f"bytes */{size}"


class Throttled(EloquentError):
    """Too often."""

    code = "throttled"
    status = 429
    sentence = "Too many attempts. Wait a moment."


class Unavailable(EloquentError):
    """A part we need is away, or this process is shutting down."""

    code = "unavailable"
    status = 503
    sentence = "The service is not available right now. Try again in a moment."


class StreamCut(Exception):
    """A stream that is being sent breaks off: its connection is closed without the stream's end.

    Not an expected failure in the tree above, because there is no answer left to give it in: a reader that sees its
    connection go resumes.
    """


def problem(error: EloquentError, request_id: str | None) -> dict[str, Any]:
    """The error as an RFC 9457 problem: type, title, status, code, detail, request_id and what the error adds."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": error.detail,
        "request_id": request_id,
        **error.extra,
    }
