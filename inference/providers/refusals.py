"""Which of our errors a model server's refusal is. Servers agree on statuses, roughly, and on no words at all."""

from http import HTTPStatus as Code
from typing import Any, Final

import msgspec

from inference.errors import (
    InferenceError,
    ModelAccessDenied,
    ModelBusy,
    ModelFailed,
    ModelMissing,
    PromptRejected,
    PromptTooLong,
    VendorError,
)

BODY_LIMIT_BYTES: Final = 64 * 1024
"""How much of an error's body is read: a proxy's error page may be long."""

_UNTOLD_WAIT_S: Final = 5.0
_BUSY: Final = (Code.TOO_MANY_REQUESTS, Code.SERVICE_UNAVAILABLE, 529)
"""529 is "overloaded" with several vendors."""
_REJECTED: Final = (
    Code.BAD_REQUEST,
    Code.REQUEST_ENTITY_TOO_LARGE,
    Code.UNSUPPORTED_MEDIA_TYPE,
    Code.UNPROCESSABLE_ENTITY,
    Code.NOT_IMPLEMENTED,
)
_TOO_LONG: Final = (
    "exceed_context_size",
    "context_length_exceeded",
    "available context size",
    "maximum context length",
    "context window",
    "context length",
    "prompt is too long",
    "input is too long",
    "exceed context limit",
    "input tokens exceeded",
)
_OUR_FAULT: Final = ('option "', "invalid format")
"""Ollama answers 500 for options and formats that it cannot read, which no second try will mend."""


def refusal(model: str, status: int, body: bytes | str, *, retry_after: str | None = None) -> InferenceError:
    """The error to raise for an HTTP status and body, with the server's words as its cause.

    `retry_after` is the header's value; only seconds are understood.
    """
    words, kind, parsed = _words_of(body)
    wait_s = _seconds(retry_after)
    lowered = f"{words} {kind}".lower()
    error: InferenceError
    if status in (Code.UNAUTHORIZED, Code.PAYMENT_REQUIRED, Code.FORBIDDEN):
        error = ModelAccessDenied(model)
    elif parsed and (status == Code.NOT_FOUND or "model_not_found" in lowered):
        # A 404 that is not JSON is a wrong address, not a missing model.
        error = ModelMissing(model)
    elif status in _BUSY:
        error = ModelBusy(model, retry_after_s=_UNTOLD_WAIT_S if wait_s is None else wait_s)
    elif any(mark in lowered for mark in _TOO_LONG):
        error = PromptTooLong(model)
    elif status in _REJECTED or any(words.startswith(mark) for mark in _OUR_FAULT):
        error = PromptRejected(model)
    else:
        error = ModelFailed(model)
    error.__cause__ = VendorError(words, status=status, retry_after_s=wait_s)
    return error


def failure_in_stream(model: str, told: Any) -> InferenceError:
    """The error for one that came inside a stream, after a 200. `told` is the decoded value of its "error" member."""
    status = told.get("code") if isinstance(told, dict) else None
    if not isinstance(status, int) or status < Code.BAD_REQUEST:
        status = Code.INTERNAL_SERVER_ERROR
    return refusal(model, status, msgspec.json.encode({"error": told}))


def unreadable(model: str, data: bytes, error: Exception) -> InferenceError:
    """The error for bytes that are not the server's format."""
    failed = ModelFailed(model)
    failed.__cause__ = VendorError(f"{error}: {data[:500]!r}")
    return failed


def _words_of(body: bytes | str) -> tuple[str, str, bool]:
    """The innermost message, its type or code, and whether the body was JSON.

    Ollama hands on llama-server's errors as JSON inside a JSON string, so strings are opened as long as they parse.
    """
    told: Any = body.decode(errors="replace") if isinstance(body, bytes) else body
    kind, parsed = "", False
    for _ in range(8):
        if isinstance(told, str):
            try:
                opened = msgspec.json.decode(told)
            except msgspec.DecodeError:
                break
            if not isinstance(opened, dict | list):
                break
            told, parsed = opened, True
        elif isinstance(told, dict):
            kind = " ".join([kind, *(str(told[key]) for key in ("type", "code") if told.get(key) is not None)])
            inner = next((told[key] for key in ("error", "message", "detail", "errors") if told.get(key)), None)
            if inner is None:
                break
            told = inner
        elif isinstance(told, list) and told:
            told = told[0]
        else:
            break
    return (told if isinstance(told, str) else str(told)).strip(), kind.strip(), parsed


def _seconds(retry_after: str | None) -> float | None:
    try:
        return min(max(float(retry_after or ""), 1.0), 600.0)
    except ValueError:
        return None
