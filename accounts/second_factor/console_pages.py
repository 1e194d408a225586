"""The staff console's second step: showing the second factor, and setting one up where staff must have one."""

from typing import Any, Final

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import admin
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from pydantic import ValidationError
from unfold.widgets import BASE_INPUT_CLASSES

from accounts import store, throttle
from accounts.addresses import throttle_key
from accounts.audit.actions import Action
from accounts.audit.recording import record_from_desk
from accounts.devices import Device, device_of
from accounts.second_factor import changes
from accounts.second_factor.ceremonies import Purpose, assertion_options
from accounts.second_factor.codes import use_recovery_code, use_totp
from accounts.second_factor.console import Standing, let_through, signed_in_just_now, standing_of
from accounts.second_factor.factors import Factors, Method, factors_of
from accounts.second_factor.passkeys import use_passkey
from accounts.second_factor.relying_party import RelyingParty, relying_party
from accounts.second_factor.schemas import AssertedPasskey
from accounts.second_factor.totp import DIGITS
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.errors import EloquentError, InvalidInput

_TEMPLATE: Final = "accounts/console/second_factor.html"
_LONGEST_PASSKEY: Final = 20_000


class CodeForm(forms.Form):
    """A code of the app, or a recovery code; or what a passkey signed, which the page's script puts in."""

    code = forms.CharField(
        max_length=64,
        required=False,
        widget=forms.TextInput(
            attrs={
                "class": " ".join(BASE_INPUT_CLASSES),
                "autocomplete": "one-time-code",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": "",
            }
        ),
    )
    passkey = forms.CharField(max_length=_LONGEST_PASSKEY, required=False, widget=forms.HiddenInput)


@never_cache
@sensitive_post_parameters("code", "passkey")
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """The page that leads on: to the code, to setting an app up, or back to where one wanted to go."""
    first: Any = request.first_step  # type: ignore[attr-defined]
    if not first.is_authenticated:
        return redirect("admin:login")
    if request.method == "POST" and "leave" in request.POST:
        logout(request)
        return redirect("admin:login")
    standing, factors = standing_of(request)
    if standing is Standing.SHOW:
        return _show(request, first.pk, factors)
    if factors.any:
        return _page(request, "done", factors=factors)
    if not signed_in_just_now(request):
        return _page(request, "again")
    return _set_up(request, first.pk, factors)


@never_cache
@require_POST
def passkey_question(request: HttpRequest) -> HttpResponse:
    """What a passkey of whoever gave the password is to sign, as JSON; good once, in this session."""
    first: Any = request.first_step  # type: ignore[attr-defined]
    if not first.is_authenticated:
        return JsonResponse({}, status=403)
    factors = async_to_sync(factors_of)(first.pk)
    if not factors.passkeys:
        return JsonResponse({}, status=404)
    options = async_to_sync(assertion_options)(
        factors.passkeys, purpose=Purpose.CONSOLE, bound_to=_bound_to(request), party=relying_party(request.get_host())
    )
    return JsonResponse(options)


def _show(request: HttpRequest, user_id: Any, factors: Factors) -> HttpResponse:
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            method = async_to_sync(_used)(
                user_id,
                factors,
                form.cleaned_data,
                bound_to=_bound_to(request),
                party=relying_party(request.get_host()),
                device=device_of(request),
            )
        except EloquentError as refusal:
            form.add_error("code", refusal.detail)
        else:
            let_through(request, factors)
            record_from_desk(
                Action.SECOND_FACTOR_SHOWN, actor=user_id, subject=user_id, target="console", method=method
            )
            return redirect(_wanted(request))
    return _page(request, "show", form=form, factors=factors)


async def _used(
    user_id: Any, factors: Factors, said: dict[str, str], *, bound_to: str, party: RelyingParty, device: Device
) -> Method:
    await throttle.spend(throttle.SECOND_FACTOR_BY_ADDRESS, throttle_key(device.address))
    user = await store.user_by_id(user_id)
    if user is None:
        raise InvalidInput
    if said["passkey"]:
        try:
            passkey = AssertedPasskey.model_validate_json(said["passkey"])
        except ValidationError:
            raise InvalidInput from None
        await use_passkey(
            user, passkey.model_dump(), purpose=Purpose.CONSOLE, bound_to=bound_to, party=party, device=device
        )
        return Method.PASSKEY
    letters = "".join(said["code"].split())
    # A recovery code is longer than any code of an app.
    if len(letters) > DIGITS:
        await use_recovery_code(user, factors, letters, device=device)
        return Method.RECOVERY_CODE
    await use_totp(user, factors, letters, device=device)
    return Method.TOTP


def _set_up(request: HttpRequest, user_id: Any, factors: Factors) -> HttpResponse:
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = async_to_sync(_confirmed)(user_id, form.cleaned_data["code"], device=device_of(request))
        except EloquentError as refusal:
            form.add_error("code", refusal.detail)
        else:
            let_through(request, async_to_sync(factors_of)(user_id))
            return _page(request, "codes", recovery_codes=made)
    pending = async_to_sync(_pending)(user_id, factors, keep=request.method == "POST")
    return _page(request, "set up", form=form, pending=pending)


async def _confirmed(user_id: Any, code: str, *, device: Device) -> list[str]:
    await throttle.spend(throttle.SECOND_FACTOR_BY_USER, str(user_id))
    return await changes.confirm_totp(user_id, code, device=device)


async def _pending(user_id: Any, factors: Factors, *, keep: bool) -> changes.PendingTotp | None:
    """The app that waits for its first code: a new one for each visit, the same after a wrong code."""
    user = await store.user_by_id(user_id)
    if user is None:
        return None
    secret = changes.pending_secret(factors.kept, at=now()) if keep else None
    return changes.shown(secret, user) if secret else await changes.pending_totp(user)


def _page(request: HttpRequest, state: str, **context: Any) -> HttpResponse:
    request.current_app = admin.site.name
    first: Any = request.first_step  # type: ignore[attr-defined]
    context |= {
        **admin.site.each_context(request),
        "title": "Second factor",
        "state": state,
        "email": first.email,
        "wanted": _wanted(request),
    }
    return render(request, _TEMPLATE, context)


def _wanted(request: HttpRequest) -> str:
    """Where one was going: a page of the console."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours and wanted.startswith(reverse("admin:index")) else reverse("admin:index")


def _bound_to(request: HttpRequest) -> str:
    return hash_of(request.session.session_key or "")
