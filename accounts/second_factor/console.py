"""Who is signed in to the staff console: a password alone is not enough where a second factor is asked for.

Django's session says who gave the right password. Whether that is all is decided at each request, so that sessions from
before a factor was added, or before STAFF_SECOND_FACTOR was set, are asked as well. Until the second factor is shown,
`request.user` is nobody: every page of the desk road, whatever it looks at, refuses.
"""

import time
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject
from django.utils.http import urlencode

from accounts.proving import FRESH
from accounts.second_factor.factors import Factors, factors_of
from accounts.session_life import longest_life
from eloquent.foundation.callers import note_caller
from eloquent.foundation.config import get_config

PAGE: Final = "second_factor"
_SHOWN: Final = "second_factor_shown"
_SIGNED_IN_AT: Final = "signed_in_at"


class Standing(Enum):
    """What a session still needs."""

    NOTHING = "nothing"
    SHOW = "show the second factor"
    SET_UP = "set one up"


class SecondFactorMiddleware(MiddlewareMixin):
    """`request.user` is nobody until the second factor was shown; `request.first_step` is who gave the password.

    Behind Django's AuthenticationMiddleware, and as lazy: a page that asks for nobody costs nothing.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Take the place of Django's user; the sign-in page leads those on who are half-way in."""
        django_user: Any = request.user
        first: Any = SimpleLazyObject(lambda: _signed_in(request, django_user))
        request.first_step = first  # type: ignore[attr-defined]
        request.user = SimpleLazyObject(lambda: _through(request, first))  # type: ignore[assignment]

        async def auser() -> Any:
            return await sync_to_async(_through)(request, first)

        request.auser = auser
        at_the_door = request.method == "GET" and request.path == reverse("admin:login")
        if at_the_door and first.is_authenticated and standing_of(request)[0] is not Standing.NOTHING:
            return redirect(f"{reverse(PAGE)}?{urlencode({'next': request.GET.get('next', '')})}")
        if _is_behind_the_door(request.path):
            user: Any = request.user
            if user.is_authenticated and user.password_expires_at is not None:
                return redirect("admin:password_change")
        return None


def standing_of(request: HttpRequest) -> tuple[Standing, Factors]:
    """What the session of somebody who gave the password still needs, and the factors they have."""
    user: Any = request.first_step  # type: ignore[attr-defined]
    factors: Factors = async_to_sync(factors_of)(user.pk)
    if factors.any:
        shown = request.session.get(_SHOWN) == _mark(factors)
        return (Standing.NOTHING if shown else Standing.SHOW), factors
    needed = user.is_staff and get_config().staff_second_factor
    return (Standing.SET_UP if needed else Standing.NOTHING), factors


def let_through(request: HttpRequest, factors: Factors) -> None:
    """The second factor was shown in this session, which gets a new key. Good until all factors were removed once."""
    request.session.cycle_key()
    request.session[_SHOWN] = _mark(factors)


def signed_in_just_now(request: HttpRequest) -> bool:
    """Whether the password was given within the last ten minutes, in this session."""
    return bool(time.time() - request.session.get(_SIGNED_IN_AT, 0) <= FRESH.total_seconds())


def connect() -> None:
    """From now on, sessions know when their password was given, and requests whether they signed somebody out."""
    user_logged_in.connect(_note_time, dispatch_uid="accounts.second_factor.signed_in")
    user_logged_out.connect(_note_leaving, dispatch_uid="accounts.second_factor.signed_out")


def _is_behind_the_door(path: str) -> bool:
    """Whether it is a page of the console that nobody sees whose password somebody else has made up."""
    return path.startswith(reverse("admin:index")) and path not in _at_the_door()


@lru_cache(maxsize=1)
def _at_the_door() -> frozenset[str]:
    pages = ("login", "logout", "password_change", "jsi18n")
    return frozenset({*(reverse(f"admin:{page}") for page in pages), reverse(PAGE), reverse("second_factor_passkey")})


def _signed_in(request: HttpRequest, django_user: Any) -> Any:
    """Whom Django's session says; nobody once another sign-in is due, or the password is good for nothing any more."""
    if django_user.is_authenticated:
        age_s = time.time() - request.session.get(_SIGNED_IN_AT, 0)
        if age_s >= longest_life().total_seconds() or django_user.password_has_expired:
            return AnonymousUser()
        note_caller(request, django_user.pk)
    return _bare(django_user)


def _bare(user: Any) -> Any:
    # The user itself and no lazy object around it: some look at its class.
    return user._wrapped if isinstance(user, SimpleLazyObject) else user  # noqa: SLF001


def _note_time(request: HttpRequest | None, **_signal: Any) -> None:
    if request is not None:
        request.session[_SIGNED_IN_AT] = int(time.time())


def _note_leaving(request: HttpRequest | None, **_signal: Any) -> None:
    if request is not None:
        request.signed_out = True  # type: ignore[attr-defined]


def _through(request: HttpRequest, first: Any) -> Any:
    if first.is_authenticated and standing_of(request)[0] is not Standing.NOTHING:
        return AnonymousUser()
    return _bare(first)


def _mark(factors: Factors) -> str:
    return str(factors.kept.id) if factors.kept is not None else "passkey"
