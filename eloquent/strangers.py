"""Which requests are counted by their address, before anything is done for them: all that no sign-in will count.

Public routes, paths that lead nowhere, verbs that a path does not have. What is behind a sign-in is counted there, by
user or key (`accounts.limits.gate`), and by address when it lets nobody in.
"""

from typing import Any, Final

from django.http import Http404, HttpRequest

from accounts.limits import gate
from accounts.limits.policies import NEVER_COUNTED
from eloquent.async_only import View, path_view
from eloquent.foundation.errors import Throttled
from eloquent.handlers import match_of

# `/v1` is all behind keys.
_WITH_KEYS: Final = "v1/"

# Only routes and verbs of our own are kept, so nobody fills this.
_signed_in: set[tuple[str | None, str]] = set()


def count_if_stranger(request: HttpRequest) -> Throttled | None:
    """Count the request by its address if nothing else will; the refusal when it is one too many."""
    try:
        match = match_of(request)
    except Http404:
        pass
    else:
        route = request.method, match.route
        if route in _signed_in or match.route in NEVER_COUNTED:
            return None
        if _asks_who(match.func, match.route, request.method):
            _signed_in.add(route)
            return None
    try:
        gate.count_stranger(request)
    except Throttled as refusal:
        return refusal
    return None


def _asks_who(view: View, route: str, method: str | None) -> bool:
    if route.startswith(_WITH_KEYS):
        return method in {"GET", "POST"}
    found: Any = path_view(view)
    if found is None:
        return False
    return any(method in operation.methods and operation.auth_callbacks for operation in found.operations)
