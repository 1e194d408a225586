"""Who makes a request, for its lines in the log: noted by whoever finds out, read when the request is over."""

from typing import NamedTuple

from django.http import HttpRequest

from eloquent.foundation.ids import ApiKeyId, UserId
from eloquent.foundation.logs import user_id_var


class Caller(NamedTuple):
    """A user, and the API key through which they ask, if it is a program that does."""

    user_id: UserId
    key_id: ApiKeyId | None = None


def note_caller(request: HttpRequest, user_id: UserId, *, key_id: ApiKeyId | None = None) -> None:
    """This is who asks. What they may not is refused later, and is known then to be theirs."""
    request.caller = Caller(user_id, key_id)  # type: ignore[attr-defined]
    user_id_var.set(str(user_id))


def caller_of(request: HttpRequest) -> Caller | None:
    """Who asks, as far as anybody found out."""
    caller: Caller | None = getattr(request, "caller", None)
    return caller
