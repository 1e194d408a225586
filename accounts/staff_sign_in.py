"""The staff console's sign-in form, which counts attempts as the API does: both doors lead to the same passwords."""

from typing import Any

from asgiref.sync import async_to_sync
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.http import HttpRequest
from unfold.forms import AuthenticationForm

from accounts import throttle
from accounts.addresses import throttle_key
from accounts.devices import device_of
from eloquent.foundation.errors import Throttled


class StaffSignInForm(AuthenticationForm):  # type: ignore[misc]  # unfold ships no types
    """Email and password of staff, no more often than the throttles allow."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # A password that the API took is good here, too, whatever characters it has.
        password = self.fields["password"]
        password.validators = [
            check for check in password.validators if not isinstance(check, ProhibitNullCharactersValidator)
        ]

    def clean(self) -> dict[str, Any]:
        """The fields of a right password.

        Raises:
            ValidationError: wrong, no staff, or tried too often; the last is said before the password is looked at.
        """
        email = str(self.cleaned_data.get("username", "")).strip().lower()
        address = _address_of(self.request)
        try:
            async_to_sync(_spend)(address, email)
        except Throttled as refusal:
            raise ValidationError(refusal.detail, code=refusal.code) from None
        cleaned: dict[str, Any] = super().clean()
        async_to_sync(throttle.forgive)(throttle.SIGN_IN_BY_ADDRESS_AND_EMAIL, address, email)
        return cleaned


async def _spend(address: str, email: str) -> None:
    await throttle.spend(throttle.SIGN_IN_BY_ADDRESS, address)
    await throttle.spend(throttle.SIGN_IN_BY_ADDRESS_AND_EMAIL, address, email)


def _address_of(request: HttpRequest) -> str:
    return throttle_key(device_of(request).address)
