"""Signed-in devices, and the one-use tickets with which they open a socket."""

from django.db import models
from django.utils import timezone

from accounts.models.users import User
from eloquent.mongodb.indexes import TTLIndex


class Session(models.Model):
    """A signed-in device. It lives while its refresh token is used at least once in 30 days, until it is revoked.

    And at most for SESSION_MAX_DAYS; one that ended so stays until `expires_at`, as a memory of the device.

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
    # Where the address is, as a proxy of ours tells it.
    country = models.CharField(max_length=2, blank=True, default="")
    city = models.CharField(max_length=80, blank=True, default="")
    label = models.CharField(max_length=80, blank=True, default="")
    # A value of accounts.signing_in.Proof.
    signed_in_with = models.CharField(max_length=20, blank=True, default="")
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
