"""What is sent by letter and used once: links, a change of email that waits for its answers, invitations."""

from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone
from django_mongodb_backend.fields import ObjectIdField

from accounts.models.users import User
from eloquent.mongodb.indexes import TTLIndex

INVITATION_KEPT_S = 90 * 24 * 3600
_PURPOSES = ("verify_email", "reset_password", "confirm_current_email", "confirm_new_email")


class AccountLink(models.Model):
    """Leave to do one thing with an account, once, for whoever reads its letters. Stored as SHA-256 only.

    `token_version` is the account's when the link was made, and `email` is where it was sent: a link is dead when the
    password or the email has changed since.
    """

    hash = models.CharField(max_length=64, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    purpose = models.CharField(max_length=30, choices=[(purpose, purpose) for purpose in _PURPOSES], editable=False)
    email = models.EmailField(max_length=254, editable=False)
    token_version = models.PositiveIntegerField(editable=False)
    # The change of email that it confirms.
    change_id = ObjectIdField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "account_links"
        default_permissions = ()
        indexes = [
            models.Index(fields=["user"], name="account_links_of_user"),
            TTLIndex(fields=["expires_at"], name="account_links_expired"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.pk}"


class EmailChange(models.Model):
    """A change of email that waits until its addresses have confirmed it; at most one for a user.

    `needs_current` is off where the address so far was never verified: then it has no say.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="+")
    old_email = models.EmailField(max_length=254, editable=False)
    new_email = models.EmailField(max_length=254, editable=False)
    needs_current = models.BooleanField(default=True, editable=False)
    current_confirmed_at = models.DateTimeField(null=True, blank=True, editable=False)
    new_confirmed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "email_changes"
        default_permissions = ()
        indexes = [TTLIndex(fields=["expires_at"], name="email_changes_expired")]

    def __str__(self) -> str:
        return str(self.pk)


class Invitation(models.Model):
    """Leave to register, once: for one email, or for whoever has it. Stored as SHA-256 only, kept 90 days past its end.

    Whoever registers with one becomes a member of `group`.
    """

    hash = models.CharField(max_length=64, unique=True, editable=False)
    email = models.EmailField(max_length=254, blank=True, default="")
    invited_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, related_name="+", null=True, blank=True, db_index=False, editable=False
    )
    group = models.ForeignKey(Group, on_delete=models.SET_NULL, related_name="+", null=True, blank=True, db_index=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True, editable=False)
    used_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, related_name="+", null=True, blank=True, db_index=False, editable=False
    )

    class Meta:
        db_table = "invitations"
        ordering = ("-created_at", "-id")
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="invitations_newest"),
            models.Index(fields=["email", "used_at"], name="invitations_for_email"),
            # Looked for when what they name is deleted.
            models.Index(fields=["invited_by"], name="invitations_by_user"),
            models.Index(fields=["used_by"], name="invitations_used_by"),
            models.Index(fields=["group"], name="invitations_into_group"),
            TTLIndex(fields=["expires_at"], expire_after_seconds=INVITATION_KEPT_S, name="invitations_expired"),
        ]

    def __str__(self) -> str:
        return self.email or f"open invitation {self.pk}"
