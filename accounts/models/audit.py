"""The record of what happened to accounts and what staff did: entries that are only added, each chained to the last.

Nothing here follows a deletion of the user it names: what happened is kept, under an id that leads nowhere any more.
"""

from django.db import models
from django.utils import timezone
from django_mongodb_backend.fields import ObjectIdField


class AuditEntry(models.Model):
    """One event. See `accounts.audit.chain` for what `hash` covers, and why `private` may be emptied."""

    number = models.PositiveBigIntegerField(unique=True, editable=False)
    at = models.DateTimeField(default=timezone.now, editable=False)
    action = models.CharField(max_length=60, editable=False)
    # Who did it: None for somebody who is not known, or for nobody (a command, the clock).
    actor_id = ObjectIdField(null=True, editable=False)
    # Whom it is about.
    subject_id = ObjectIdField(null=True, editable=False)
    target = models.CharField(max_length=120, blank=True, default="", editable=False)
    request_id = models.CharField(max_length=64, blank=True, default="", editable=False)
    facts = models.CharField(max_length=2000, default="{}", editable=False)
    private = models.CharField(max_length=2000, blank=True, default="", editable=False)
    private_digest = models.CharField(max_length=64, editable=False)
    key_id = models.CharField(max_length=8, editable=False)
    previous_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    hash = models.CharField(max_length=64, editable=False)

    class Meta:
        db_table = "audit"
        ordering = ("-number",)
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        default_permissions = ("view",)
        indexes = [
            # Each ends in -id because the admin adds the primary key to every order.
            models.Index(fields=["-number", "-id"], name="audit_newest"),
            models.Index(fields=["action", "-number", "-id"], name="audit_by_action"),
            models.Index(fields=["actor_id", "-number", "-id"], name="audit_by_actor"),
            models.Index(fields=["subject_id", "-number", "-id"], name="audit_of_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.action}"


class AuditHead(models.Model):
    """Where the chain ends: without it, nobody could see that its last entries are missing."""

    id = models.CharField(primary_key=True, max_length=20, default="head", db_column="_id")
    number = models.PositiveBigIntegerField(editable=False)
    hash = models.CharField(max_length=64, editable=False)
    key_id = models.CharField(max_length=8, editable=False)
    signature = models.CharField(max_length=64, editable=False)

    class Meta:
        db_table = "audit_head"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.number)
