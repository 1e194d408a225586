"""The staff console's sign-in form, which counts attempts as the API does: both doors lead to the same passwords.

A device that signs in here is remembered as by the API: the desk road's middleware sets the cookie.
"""

from typing import Any

from asgiref.sync import async_to_sync
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from unfold.forms import AuthenticationForm

from accounts.device_cookie import device_tokens_of
from accounts.devices import device_of
from accounts.limits import guessing
from eloquent.foundation.errors import Throttled


class StaffSignInForm(AuthenticationForm):  # type: ignore[misc]  # unfold ships no types
    """Email and password of staff, no more often than guessing is allowed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # A password that the API took is good here, too, whatever characters it has.
        password = self.fields["password"]
        password.validators = [
            check for check in password.validators if not isinstance(check, ProhibitNullCharactersValidator)
        ]

    def confirm_login_allowed(self, user: Any) -> None:
        """Refuse who is no staff, and a password that was given too long ago."""
        super().confirm_login_allowed(user)
        if user.password_has_expired:
            raise ValidationError("This password was made for you, and is not good any more.", code="password_expired")

    def clean(self) -> dict[str, Any]:
        """The fields of a right password.

        Raises:
            ValidationError: wrong, no staff, or tried too often; the last is said before the password is looked at.
        """
        email = str(self.cleaned_data.get("username", "")).strip().lower()
        request = self.request
        try:
            attempt = async_to_sync(guessing.begin)(email, device_of(request), device_tokens_of(request))
        except Throttled as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from None
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError:
            async_to_sync(attempt.failed)()
            raise
        async_to_sync(attempt.succeeded)()
        request.device_known_to = email
        return cleaned
