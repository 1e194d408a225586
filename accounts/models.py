"""Who may come in: users, their signed-in devices, one-use tickets that open a socket, and keys for programs.

These models are the schema of record for the desk road (admin, commands, migrations). API routes and sockets read and
write the same collections through `accounts.store`, which must be changed together with the fields here.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin
from django.db import models
from django.utils import timezone
from django_mongodb_backend.fields import ArrayField

from accounts.managers import UserManager
from eloquent.mongodb.indexes import TTLIndex

API_KEY_KEPT_S = 90 * 24 * 3600


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by email. `is_staff` opens the staff console; `is_active` off closes everything."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=150, blank=True, default="")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    # Access tokens carry this number; raising it refuses every one that was signed before.
    token_version = models.PositiveIntegerField(default=0, editable=False)
    email_verified_at = models.DateTimeField(null=True, blank=True)
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

    @property
    def password_was_set(self) -> bool:
        """Whether `set_password` was called since the last save.

        Django keeps the raw password until then, and drops it when it only upgrades a hash at sign-in: an upgrade signs
        nobody out.
        """
        return getattr(self, "_password", None) is not None

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        """Save with the email in its one form.

        A changed password also refuses the access tokens signed before it (see `accounts.revocation`).
        """
        self.email = self.email.strip().lower()
        if self.password_was_set and not self._state.adding:
            self.token_version += 1
            if update_fields is not None:
                update_fields = {*update_fields, "token_version"}
        super().save(*args, update_fields=update_fields, **kwargs)


class Session(models.Model):
    """A signed-in device. It lives while its refresh token is used at least once in 30 days, until it is revoked.

    Refresh tokens are stored as SHA-256 only. `successor` is the current token, readable only by someone who presents
    the previous one (see `accounts.tokens.seal`): that is what lets two tabs refresh at the same moment.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions", db_index=False)
    refresh_hash = models.CharField(max_length=64, editable=False)
    previous_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    lineage_hash = models.CharField(max_length=64, editable=False)
    successor = models.CharField(max_length=64, blank=True, default="", editable=False)
    rotated_at = models.DateTimeField(default=timezone.now, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    ip = models.CharField(max_length=45, blank=True, default="")
    user_agent = models.CharField(max_length=512, blank=True, default="")
    label = models.CharField(max_length=80, blank=True, default="")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "sessions"
        ordering = ("-created_at", "-id")
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="sessions_of_user"),
            models.Index(fields=["-created_at", "-id"], name="sessions_newest"),
            TTLIndex(fields=["expires_at"], name="sessions_expired"),
        ]

    def __str__(self) -> str:
        return self.label or str(self.pk)


class SocketTicket(models.Model):
    """Leave to open one socket, once, within 30 seconds. Stored hashed; using it deletes it.

    Nothing follows a deletion of its user or session: the server deletes it within a minute and a half anyway, and a
    ticket of a session that is gone opens nothing.
    """

    hash = models.CharField(max_length=64, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    session = models.ForeignKey(Session, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "socket_tickets"
        indexes = [TTLIndex(fields=["expires_at"], name="socket_tickets_expired")]

    def __str__(self) -> str:
        return str(self.pk)


class ApiKey(models.Model):
    """A key with which a program of the user's comes in at `/v1`. Stored as SHA-256 only; `prefix` is how it begins.

    A key that was revoked or has expired is kept for 90 days, so that staff can tell what it was.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys", db_index=False)
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=20, editable=False)
    hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=20), default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "api_keys"
        ordering = ("-created_at", "-id")
        verbose_name = "API key"
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="api_keys_of_user"),
            models.Index(fields=["-created_at", "-id"], name="api_keys_newest"),
            TTLIndex(fields=["expires_at"], expire_after_seconds=API_KEY_KEPT_S, name="api_keys_expired"),
            TTLIndex(fields=["revoked_at"], expire_after_seconds=API_KEY_KEPT_S, name="api_keys_revoked"),
        ]

    def __str__(self) -> str:
        return self.name
