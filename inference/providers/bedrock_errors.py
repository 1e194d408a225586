"""Which of our errors a failure of Bedrock is, or of the AWS package before anything was sent.

Refusals are known by their codes, https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html;
the package's own errors by their classes' names, so that this file does not need the package.
"""

from typing import Any, Final

import aiohttp
import msgspec

from inference.errors import (
    InferenceError,
    ModelAccessDenied,
    ModelBusy,
    ModelFailed,
    ModelTimeout,
    ModelUnreachable,
    PromptRejected,
    VendorError,
)
from inference.providers.refusals import refusal

OPERATION: Final = "ConverseStream"

_STATUS_OF: Final = {
    "AccessDeniedException": 403,
    "ExpiredToken": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignature": 403,
    "InvalidClientTokenId": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationToken": 403,
    "MissingAuthenticationTokenException": 403,
    "NotAuthorized": 403,
    "OptInRequired": 403,
    "RequestExpired": 403,
    "SignatureDoesNotMatch": 403,
    "UnrecognizedClientException": 403,
    "ResourceNotFoundException": 404,
    "ModelNotReadyException": 503,
    "ServiceQuotaExceededException": 429,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "TooManyRequestsException": 429,
    "ValidationException": 400,
    "InternalFailure": 500,
    "InternalServerException": 500,
    "ModelErrorException": 500,
    "ModelStreamErrorException": 500,
}
"""The HTTP statuses in whose sense a code is meant. AWS's own tell less: 424 and 429 stand for several things, and
inside a stream there are none."""
_NO_SUCH_MODEL: Final = ("model identifier is invalid", "on-demand throughput isn", "reached the end of its life")
"""Found in a ValidationException: wrong names, models that need an inference profile, models that were withdrawn."""

_BY_CLASS: Final[dict[str, type[ModelUnreachable | ModelAccessDenied | PromptRejected | ModelFailed | ModelBusy]]] = {
    "ConnectionError": ModelUnreachable,  # no address, refused, no TLS, no proxy
    "HTTPClientError": ModelUnreachable,  # ended before an answer
    "ParamValidationError": PromptRejected,
    "InvalidRegionError": ModelAccessDenied,
    "ValidationError": PromptRejected,
    "CapacityNotAvailableError": ModelBusy,
    "ChecksumError": ModelFailed,
    "FlexibleChecksumError": ModelFailed,
    "IncompleteReadError": ModelFailed,
    "ResponseParserError": ModelFailed,
    # Credentials that are missing, wrong or expired, a region without Bedrock, a profile that is not there, a file that
    # cannot be read: nobody but the operator can do anything about it.
    "BotoCoreError": ModelAccessDenied,
    "ImportError": ModelAccessDenied,
}


def failure_of(model: str, error: Exception, *, waited_s: float) -> InferenceError | None:
    """The error for what the AWS package, or the connection under it, raised; None for what neither of them does.

    `waited_s` is how long the answer had been waited for. What was said is the cause.
    """
    told: Any = getattr(error, "response", None)
    if isinstance(told, dict) and "Error" in told:
        return _refused(model, error, told, waited_s)
    failed: InferenceError | None = None
    if isinstance(error, aiohttp.ClientError | OSError):
        failed = ModelUnreachable(model)
    for name in [] if failed else [each.__name__ for each in type(error).__mro__]:
        if name in _BY_CLASS:
            failed = _BY_CLASS[name](model)
            break
    if failed is not None:
        failed.__cause__ = VendorError(f"{type(error).__name__}: {error}")
    return failed


def _refused(model: str, error: Exception, told: dict[str, Any], waited_s: float) -> InferenceError:
    metadata = told.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode")
    if getattr(error, "operation_name", OPERATION) != OPERATION:
        # It comes from where credentials are got: what is a bad request there is no fault of the question.
        status = status if isinstance(status, int) and (status == 429 or status >= 500) else 403  # noqa: PLR2004
        return refusal(model, status, str(error))
    return refused(
        model,
        str(told["Error"].get("Code", "")),
        str(told["Error"].get("Message", "")),
        status=status if isinstance(status, int) else None,
        retry_after=metadata.get("HTTPHeaders", {}).get("retry-after"),
        waited_s=waited_s,
    )


def refused(
    model: str,
    code: str,
    words: str,
    *,
    status: int | None = None,
    retry_after: str | None = None,
    waited_s: float = 0.0,
) -> InferenceError:
    """The error for one of Bedrock's codes, before an answer or inside it (where they begin with a small letter).

    `status` counts for codes that are not known.
    """
    code = code[:1].upper() + code[1:]
    if code == "ModelTimeoutException":
        late = ModelTimeout(model, what="did not begin to answer in", waited_s=waited_s)
        late.__cause__ = VendorError(words, status=status)
        return late
    meant = _STATUS_OF.get(code, status or 500)
    if code == "ValidationException" and any(mark in words.lower() for mark in _NO_SUCH_MODEL):
        meant = 404
    body = msgspec.json.encode({"message": words or code, "code": code})
    return refusal(model, meant, body, retry_after=retry_after)
