"""What the vendors' official SDKs have in common: how one is asked, and which of our errors theirs are.

The SDKs (https://github.com/openai/openai-python, https://github.com/anthropics/anthropic-sdk-python) are made by one
generator: the same classes of errors below another root, the same raw responses, the same headers.
"""

from collections.abc import Awaitable
from typing import Any, Final

import httpx

from inference.errors import (
    InferenceError,
    ModelAccessDenied,
    ModelBusy,
    ModelFailed,
    ModelUnreachable,
    PromptRejected,
    VendorError,
)
from inference.providers.refusals import BODY_LIMIT_BYTES, refusal
from inference.providers.server import LOST

_OURS: Final[dict[str, type[InferenceError]]] = {
    "APIConnectionError": ModelUnreachable,
    "APIResponseValidationError": ModelFailed,
    "APIWebhookValidationError": ModelFailed,
    "LengthFinishReasonError": ModelFailed,
    "ContentFilterFinishReasonError": PromptRejected,
    "WebSocketConnectionClosedError": ModelFailed,
    "WebSocketQueueFullError": ModelFailed,
    "StreamAlreadyConsumed": ModelFailed,
    "APIRemovedInV1": ModelFailed,
    "AgentTurnResultError": ModelFailed,
    "AgentOutputParseError": ModelFailed,
    "AgentFileStagingError": ModelFailed,
    "AgentFilePreparationError": ModelFailed,
    "RetryableError": ModelBusy,
    "ToolsetUsageError": ModelFailed,
    "SubjectTokenProviderError": ModelAccessDenied,
    "MutuallyExclusiveAuthError": ModelAccessDenied,
    "_AmbiguousModuleClientUsageError": ModelAccessDenied,
    "CredentialsError": ModelAccessDenied,
    "WorkloadIdentityError": ModelAccessDenied,
    "MissingDependencyError": ModelAccessDenied,
}
"""By the name of a class or of one above it. An `APIStatusError` goes by its status instead."""

_AGAIN: Final = (408, 409)
"""A request timed out in the vendor's queue, or a lock: their own SDKs send such a request again."""
_NO_MONEY: Final = ("insufficient_quota", "billing_hard_limit", "spend_limit", "credit balance")


async def asked(raw: Awaitable[Any], *, about: str) -> Any:
    """What the SDK returns.

    Raises:
        InferenceError: for anything that the SDK raises, with the vendor's words on `__cause__`.
    """
    try:
        return await raw
    except LOST as error:
        raise ModelUnreachable(about) from error
    except Exception as error:
        ours = our_error(about, error)
        if ours is None:
            raise  # not the SDK's: a bug of ours
        raise ours from ours.__cause__


def our_error(model: str, error: Exception) -> InferenceError | None:
    """Ours for an error of an SDK; None for one that is not known here."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if "APIStatusError" in names:
        return _refused(model, error)
    kind = next((_OURS[name] for name in names if name in _OURS), None)
    if kind is None and not {"OpenAIError", "AnthropicError"} & set(names):
        return None
    ours = (kind or ModelFailed)(model)
    ours.__cause__ = VendorError(f"{type(error).__name__}: {error}")
    return ours


def is_mapped(kind: type[Exception]) -> bool:
    """Whether an SDK's error has a meaning here other than that of its root."""
    names = {above.__name__ for above in kind.__mro__}
    return "APIStatusError" in names or bool(names & _OURS.keys())


def _refused(model: str, error: Any) -> InferenceError:
    headers, status = error.response.headers, error.status_code
    words = _words_of(error)
    ours = refusal(model, status, words, retry_after=_retry_after(headers))
    cause, again = ours.__cause__, headers.get("x-should-retry")
    if isinstance(ours, ModelBusy) and (again == "false" or any(mark in words.lower() for mark in _NO_MONEY)):
        ours = ModelAccessDenied(model)  # a limit that no wait will lift
    elif again == "false" and isinstance(ours, ModelFailed):
        ours = PromptRejected(model)  # the vendor says that the same request will fail again
    elif again == "true" or (status in _AGAIN and again != "false"):
        told = refusal(model, 429, "", retry_after=_retry_after(headers))
        ours = told if not isinstance(ours, ModelBusy) else ours
    ours.__cause__ = cause
    return ours


def _words_of(error: Any) -> str:
    try:
        return str(error.response.text)[:BODY_LIMIT_BYTES]
    except httpx.StreamError:
        return str(error)


def _retry_after(headers: Any) -> str | None:
    """Seconds as text. Both vendors may tell milliseconds, which is the more exact, in a header of their own."""
    try:
        return str(float(headers["retry-after-ms"]) / 1000)
    except (KeyError, ValueError):
        told: str | None = headers.get("retry-after")
        return told
