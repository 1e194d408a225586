"""Users."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.db import models
from django.utils import timezone

from accounts.managers import UserManager

GIVEN_PASSWORD_LIVES: Final = timedelta(days=7)


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by email. `is_staff` opens the staff console; `is_active` off closes everything."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=150, blank=True, default="")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    # Access tokens carry this number; raising it refuses every one that was signed before.
    token_version = models.PositiveIntegerField(default=0, editable=False)
    # Until when a password that somebody else made up can be exchanged for another. One's own has no end.
    password_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    email_verified_at = models.DateTimeField(null=True, blank=True)
    # Who closed an account that is not active: its owner may open it again, what staff closed stays closed.
    deactivated_by = models.CharField(
        max_length=5, blank=True, default="", choices=[("owner", "the owner"), ("staff", "staff")]
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        db_table = "users"
        ordering = ("-created_at", "-id")
        # Each ends in -id because the admin adds the primary key to every order, and a sort that is not the whole
        # index is done in memory.
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="users_newest"),
            models.Index(fields=["is_staff", "-created_at", "-id"], name="users_staff_newest"),
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        """The name, or the email of those who gave none."""
        return self.name or self.email

    def get_short_name(self) -> str:
        """As the full name: one field holds what people want to be called."""
        return self.get_full_name()

    def clean(self) -> None:
        """Compare the email in its one form with those that are there."""
        super().clean()
        self.email = self.email.strip().lower()

    def set_password(self, raw_password: str | None) -> None:
        """Set a password, which counts as the user's own unless `mark_password_as_given` says otherwise."""
        super().set_password(raw_password)
        self.password_expires_at = None

    def mark_password_as_given(self) -> None:
        """Somebody else made the password up: it opens nothing, and for a week it can be exchanged for another."""
        self.password_expires_at = timezone.now() + GIVEN_PASSWORD_LIVES

    @property
    def password_has_expired(self) -> bool:
        """Whether the password was given so long ago that it is good for nothing."""
        return self.password_expires_at is not None and self.password_expires_at <= timezone.now()

    @property
    def password_was_set(self) -> bool:
        """Whether `set_password` was called since the last save.

        Django keeps the raw password until then, and drops it when it only upgrades a hash at sign-in: an upgrade signs
        nobody out.
        """
        return getattr(self, "_password", None) is not None

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Save with the email in its one form.

        A changed password, or a deactivation, also refuses the access tokens signed before it (see
        `accounts.revocation`): those of a deactivated user are not good again when the user is. Whoever deactivates an
        account here without saying who did is staff.
        """
        self.email = self.email.strip().lower()
        self.deactivated_by = "" if self.is_active else self.deactivated_by or "staff"
        if update_fields is not None and "is_active" in update_fields:
            update_fields = {*update_fields, "deactivated_by"}
        deactivates = not self.is_active and (update_fields is None or "is_active" in update_fields)
        if (self.password_was_set or deactivates) and not self._state.adding:
            self.token_version += 1
            if update_fields is not None:
                update_fields = {*update_fields, "token_version"}
        super().save(*args, update_fields=update_fields, **kwargs)
