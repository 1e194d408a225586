"""Letters that are on their way."""

from django.db import models
from django.utils import timezone

from accounts.models.users import User
from eloquent.mongodb.indexes import TTLIndex


class OutgoingMail(models.Model):
    """A letter that waits to be sent, or to be tried again. Sealed: it may hold a link that opens an account.

    A letter that could not be sent within three days is deleted.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False, null=True)
    kind = models.CharField(max_length=40, editable=False)
    # Recipient, subject and text.
    sealed = models.TextField(editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    due_at = models.DateTimeField(editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    expires_at = models.DateTimeField(editable=False)

    class Meta:
        db_table = "outgoing_mail"
        default_permissions = ()
        indexes = [
            models.Index(fields=["due_at"], name="outgoing_mail_due"),
            models.Index(fields=["user"], name="outgoing_mail_of_user"),
            TTLIndex(fields=["expires_at"], name="outgoing_mail_expired"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
