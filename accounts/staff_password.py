"""Passwords in the staff console: one's own, and those that staff make up for others.

On the page for one's own the old one is asked for, and guesses at it count: whoever sits at a browser that was left
open could else try words until one is right. They are counted where the API counts those of a signed-in user, so nobody
gets twice as many by trying at both doors.

A password that staff made up is given: its owner has to set another (`accounts.given_passwords`).
"""

from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse_lazy
from unfold.forms import AdminOwnPasswordChangeForm, AdminPasswordChangeForm

from accounts.devices import Device, device_of
from accounts.limits import guessing
from eloquent.foundation.errors import Throttled


class OwnPasswordForm(AdminOwnPasswordChangeForm):  # type: ignore[misc]  # unfold ships no types
    """The old password and, twice, the new one. `device` is where they are typed."""

    def __init__(self, *arguments: Any, device: Device, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._device = device

    def clean_old_password(self) -> str:
        """The old password, which is right.

        Raises:
            ValidationError: wrong, or tried too often; the latter is said before the password is looked at.
        """
        try:
            attempt = async_to_sync(guessing.begin_again)(self.user.pk, self._device)
        except Throttled as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from None
        try:
            old: str = super().clean_old_password()
        except ValidationError:
            async_to_sync(attempt.failed)()
            raise
        async_to_sync(attempt.succeeded)()
        return old

    def clean(self) -> dict[str, Any]:
        """The passwords, of which the new one is another.

        Raises:
            ValidationError: it is the old one.
        """
        cleaned: dict[str, Any] = super().clean()
        if "old_password" in cleaned and self.user.check_password(cleaned.get("new_password1")):
            self.add_error("new_password1", "Choose another password than the one before.")
        return cleaned


class GivenPasswordForm(AdminPasswordChangeForm):  # type: ignore[misc]  # as above
    """A password for somebody else, or none at all."""

    def save(self, commit: bool = True) -> Any:
        """Save it as one that was given."""
        user: Any = super().save(commit=False)
        user.password_expires_at = None
        if user.has_usable_password():
            user.mark_password_as_given()
        if commit:
            user.save()
        return user


class _Page(PasswordChangeView):
    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:password_change_done")

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "device": device_of(self.request)}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**admin.site.each_context(self.request), **context)


def change_own_password(request: HttpRequest) -> HttpResponseBase:
    """The page, in the place of the console's own; for staff who are signed in."""
    answer: HttpResponseBase = admin.site.admin_view(_Page.as_view(), cacheable=True)(request)
    return answer
