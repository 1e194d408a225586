"""Erasures of accounts and exports of what they hold: jobs that any worker may take up."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django_mongodb_backend.fields import ObjectIdField

from accounts.models.users import User
from accounts.personal_data.states import ErasureStatus, ExportStatus
from eloquent.mongodb.indexes import TTLIndex

RECEIPT_KEPT_S = 3 * 366 * 24 * 3600
_LONGEST_WORKER = 64


class Erasure(models.Model):
    """The erasure of an account, and its receipt. Whom it was about is not said here any more when it is over.

    `active` while there is something left to do, which is also an hour after its end: then somebody looks whether an
    answer that was being written all the while has left a line behind. `lease_expires_at` is when a worker may take it
    up. `sealed` holds, until the end, where the last letter goes. `receipt` is the signed text as it was given.
    """

    # No relation: it outlives the user. None when nothing is left to do.
    user_id = ObjectIdField(null=True, editable=False)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    cancel_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    sealed = models.TextField(blank=True, default="", editable=False)
    by_staff = models.BooleanField(default=False, editable=False)
    was_active = models.BooleanField(default=True, editable=False)
    status = models.CharField(max_length=16, choices=[(each.value, each.value) for each in ErasureStatus])
    active = models.BooleanField(default=True, editable=False)
    step = models.CharField(max_length=40, blank=True, default="", editable=False)
    counts = models.JSONField(default=dict, blank=True, editable=False)
    problem = models.CharField(max_length=120, blank=True, default="", editable=False)
    receipt = models.TextField(blank=True, default="", editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    worker = models.CharField(max_length=_LONGEST_WORKER, blank=True, default="", editable=False)
    lease_expires_at = models.DateTimeField(editable=False)
    asked_at = models.DateTimeField(default=timezone.now, editable=False)
    due_at = models.DateTimeField(editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "erasures"
        ordering = ("-asked_at", "-id")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["-asked_at", "-id"], name="erasures_newest"),
            models.Index(fields=["lease_expires_at"], condition=Q(active=True), name="erasures_lease"),
            models.Index(fields=["cancel_hash"], condition=Q(cancel_hash__gt=""), name="erasures_cancel"),
            TTLIndex(fields=["finished_at"], expire_after_seconds=RECEIPT_KEPT_S, name="erasures_expired"),
        ]
        constraints = [
            # Who asks twice, or at once with staff, has one.
            models.UniqueConstraint(fields=["user_id"], condition=Q(active=True), name="erasures_one_a_user"),
        ]

    def __str__(self) -> str:
        return f"Erasure {self.pk}"


class DataExport(models.Model):
    """All that an account holds as one ZIP, on its way or to be fetched until `expires_at`.

    The file lies in the storage `exports`; it is deleted before the row. `slot` is taken while it is not at rest.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    status = models.CharField(max_length=16, choices=[(each.value, each.value) for each in ExportStatus])
    active = models.BooleanField(default=True, editable=False)
    slot = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    documents = models.PositiveIntegerField(default=0, editable=False)
    documents_done = models.PositiveIntegerField(default=0, editable=False)
    key = models.CharField(max_length=100, blank=True, default="", editable=False)
    size_bytes = models.PositiveBigIntegerField(default=0, editable=False)
    sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    worker = models.CharField(max_length=_LONGEST_WORKER, blank=True, default="", editable=False)
    lease_expires_at = models.DateTimeField(editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(editable=False)

    class Meta:
        db_table = "data_exports"
        ordering = ("-created_at", "-id")
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["user", "-id"], name="data_exports_of_user"),
            models.Index(fields=["-created_at", "-id"], name="data_exports_newest"),
            models.Index(fields=["lease_expires_at"], condition=Q(active=True), name="data_exports_lease"),
            models.Index(fields=["expires_at"], name="data_exports_expired"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["user", "slot"], condition=Q(slot__gt=0), name="data_exports_one_a_user"),
        ]

    def __str__(self) -> str:
        return f"Export {self.pk}"
