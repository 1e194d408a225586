"""Which errors an operation may answer with, for the OpenAPI document: by its statuses, and those of its own.

A route says in its declaration with which statuses it may refuse. Which codes come under them is said here, once for
all rooms; a test asks for a place of every error that a request can meet.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from accounts import errors as accounts_errors
from accounts.life import errors as life_errors
from accounts.openid import errors as openid_errors
from chat import errors as chat_errors
from chat.attachments import errors as attachment_errors
from chat.posting import MalformedMessage
from eloquent.foundation import errors
from eloquent.foundation.errors import EloquentError
from eloquent.middleware import MalformedRequest
from inference import errors as inference_errors
from inference.billing.errors import BudgetSpent

Errors: TypeAlias = tuple[type[EloquentError], ...]

# What a status means anywhere.
OF_STATUS: Final[dict[int, type[EloquentError]]] = {
    400: MalformedRequest,
    401: errors.NotSignedIn,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.PayloadTooLarge,
    416: errors.OutOfRange,
    422: errors.InvalidInput,
    429: errors.Throttled,
    500: EloquentError,
    503: errors.Unavailable,
}
# Any operation may meet these: broken HTTP, a limit, and a bug of ours.
OF_ALL: Final = (400, 429, 500)

_HAS_A_RUN: Final[Errors] = (
    chat_errors.BranchIsBusy,
    chat_errors.MessageTooLong,
    chat_errors.KeyUsedElsewhere,
    chat_errors.BeingBegun,
    chat_errors.TooManyRuns,
    chat_errors.Draining,
    chat_errors.JournalAway,
    inference_errors.ModelBusy,
    inference_errors.ModelNotOffered,
    inference_errors.NoModelAvailable,
    attachment_errors.AttachmentUnknown,
    attachment_errors.AttachmentsTooLarge,
    attachment_errors.ModelCannotSee,
    attachment_errors.StorageAway,
    BudgetSpent,
)
_STARTS_A_RUN: Final[Errors] = (
    *_HAS_A_RUN,
    chat_errors.ParentUnknown,
    chat_errors.ToolNotOffered,
    chat_errors.ModelWithoutTools,
)
_GOES_ON: Final[Errors] = (
    chat_errors.NothingToApprove,
    chat_errors.ApprovalsMissing,
    chat_errors.ConversationWentOn,
)
_FROM_A_PAGE: Final[Errors] = (accounts_errors.ForeignOrigin,)
_BY_THE_OWNER: Final[Errors] = (
    accounts_errors.WrongPassword,
    accounts_errors.WrongCode,
    accounts_errors.SignInTooOld,
    accounts_errors.CodesExhausted,
)
_ADMITTED: Final[Errors] = (
    life_errors.RegistrationClosed,
    life_errors.InvitationRequired,
    life_errors.InvitationInvalid,
    life_errors.DomainNotAllowed,
)

OF_OPERATION: Final[dict[str, Errors]] = {
    "register": (*_FROM_A_PAGE, *_ADMITTED, accounts_errors.EmailTaken),
    "sign_in": (
        *_FROM_A_PAGE,
        accounts_errors.WrongCredentials,
        life_errors.EmailNotVerified,
        accounts_errors.PasswordGiven,
    ),
    "set_own_password": (*_FROM_A_PAGE, accounts_errors.WrongCredentials, life_errors.EmailNotVerified),
    "refresh_tokens": (*_FROM_A_PAGE, accounts_errors.RefreshRefused),
    "sign_out": (*_FROM_A_PAGE, accounts_errors.RefreshRefused),
    "change_password": (*_FROM_A_PAGE, *_BY_THE_OWNER),
    "answer_second_factor": (
        *_FROM_A_PAGE,
        accounts_errors.ChallengeRefused,
        accounts_errors.WrongCredentials,
        accounts_errors.WrongCode,
        accounts_errors.PasskeyRefused,
        accounts_errors.CodesExhausted,
    ),
    "ask_for_passkey": (accounts_errors.ChallengeRefused, accounts_errors.PasskeyRefused),
    "sign_in_with_passkey": (*_FROM_A_PAGE, accounts_errors.PasskeyRefused, accounts_errors.WrongCredentials),
    "begin_totp": (*_BY_THE_OWNER, accounts_errors.TotpExists),
    "confirm_totp": (accounts_errors.NothingPending, accounts_errors.WrongCode),
    "remove_totp": _BY_THE_OWNER,
    "make_recovery_codes": (*_BY_THE_OWNER, accounts_errors.NoSecondFactor),
    "begin_passkey": (*_BY_THE_OWNER, accounts_errors.TooManyPasskeys),
    "add_passkey": (accounts_errors.PasskeyRefused, accounts_errors.TooManyPasskeys),
    "remove_passkey": _BY_THE_OWNER,
    "read_invitation": (life_errors.InvitationInvalid,),
    "verify_email": (*_FROM_A_PAGE, accounts_errors.WrongPassword, life_errors.LinkNotValid),
    "resend_verification": (life_errors.MailIsOff,),
    "forgot_password": (life_errors.MailIsOff,),
    "reset_password": (*_FROM_A_PAGE, accounts_errors.WrongCredentials, life_errors.LinkNotValid),
    "change_email": (*_BY_THE_OWNER, life_errors.DomainNotAllowed, life_errors.MailIsOff),
    "confirm_email": (life_errors.LinkNotValid, accounts_errors.EmailTaken),
    "deactivate_me": _BY_THE_OWNER,
    "create_api_key": (*_BY_THE_OWNER, accounts_errors.TooManyApiKeys),
    "erase_me": _BY_THE_OWNER,
    "create_export": (*_BY_THE_OWNER, accounts_errors.ExportAtWork),
    "read_export_content": (accounts_errors.ExportNotReady, accounts_errors.ExportsAway),
    "exchange_openid_code": (*_FROM_A_PAGE, openid_errors.CodeRefused, openid_errors.AccountClosed),
    "openid_backchannel_logout": (openid_errors.LogoutTokenRefused, openid_errors.ProviderAway),
    "start_identity_link": (*_BY_THE_OWNER, openid_errors.ProviderAway),
    "link_identity": (openid_errors.CodeRefused, openid_errors.IdentityTaken, openid_errors.TooManyIdentities),
    "unlink_identity": (*_BY_THE_OWNER, openid_errors.LastWayIn),
    "start_run": _STARTS_A_RUN,
    "edit_message": (*_STARTS_A_RUN, chat_errors.NotAQuestion),
    "regenerate_message": (*_STARTS_A_RUN, chat_errors.NotAnAnswer),
    "approve_calls": (*_HAS_A_RUN, *_GOES_ON),
    "rate_answer": (chat_errors.NotAnAnswer,),
    "create_attachment": (
        attachment_errors.AttachmentEmpty,
        attachment_errors.AttachmentKindUnknown,
        attachment_errors.AttachmentKindDiffers,
        attachment_errors.AttachmentBroken,
        attachment_errors.AttachmentTooManyPixels,
        attachment_errors.TooMuchUnsent,
        attachment_errors.AttachmentsFull,
        attachment_errors.StorageAway,
    ),
    "read_attachment_content": (attachment_errors.StorageAway,),
    "open_attachment": (attachment_errors.LinkExpired, attachment_errors.StorageAway),
    "delete_attachment": (attachment_errors.AttachmentSent, attachment_errors.StorageAway),
    "delete_conversation": (attachment_errors.StorageAway,),
    "create_import": (chat_errors.TooManyImports,),
    "send_import_content": (chat_errors.ImportOffset,),
    "ui_send": (
        *_STARTS_A_RUN,
        *_GOES_ON,
        chat_errors.NotAQuestion,
        chat_errors.NotAnAnswer,
        MalformedMessage,
        attachment_errors.FileNotOurs,
    ),
}


def own_errors(operation_id: str, status: int) -> Errors:
    """What the operation may answer under this status beside what the status means anywhere."""
    return tuple(error for error in OF_OPERATION.get(operation_id, ()) if error.status == status)


def problem_examples(special: Errors, status: int) -> dict[str, Any]:
    """What may be answered under this status, by code."""
    return {
        error.code: {"summary": _meaning(error), "value": _problem(error)} for error in (OF_STATUS[status], *special)
    }


def named_errors() -> Iterable[type[EloquentError]]:
    """Every error that some operation names."""
    for special in OF_OPERATION.values():
        yield from special
    yield from OF_STATUS.values()


def _meaning(error: type[EloquentError]) -> str:
    return (error.__doc__ or "").partition("\n")[0].strip()


def _problem(error: type[EloquentError]) -> dict[str, Any]:
    # The classes that make their sentence of what went wrong have none to quote.
    sentence = error.sentence if error.sentence is not EloquentError.sentence or error is EloquentError else None
    return {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "code": error.code,
        "detail": sentence or _meaning(error),
        "request_id": "2678316600c499dcba430c7dbdac6c07",
    }
