"""Keys of users' programs."""

from django.db import models
from django.utils import timezone
from django_mongodb_backend.fields import ArrayField

from accounts.models.users import User
from eloquent.mongodb.indexes import TTLIndex

API_KEY_KEPT_S = 90 * 24 * 3600


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
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
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
