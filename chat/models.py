"""The schema of record for conversations, their messages and the runs that made the answers.

The request road reads and writes the same collections through `chat.store`.
"""

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django_mongodb_backend.fields import ObjectIdField

from chat.parts import plain_text
from chat.types import ImportStatus, MessageStatus, Role, RunStatus, TitledBy
from eloquent.mongodb.indexes import TextIndex, TTLIndex

_LONGEST_TITLE = 200
_LONGEST_MODEL = 200
_LONGEST_CLIENT_ID = 64
_LONGEST_IMPORT_KEY = 100
_LONGEST_WORKER = 64
_LONGEST_FILE_NAME = 200
_LONGEST_MEDIA_TYPE = 40
_LONGEST_STORAGE_KEY = 100
_MOST_RETENTION_DAYS = 36_500


class Conversation(models.Model):
    """A tree of messages with one owner. `leaf_id` names the end of the branch shown; null while it is empty."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations", db_index=False
    )
    title = models.CharField(max_length=_LONGEST_TITLE, blank=True, default="")
    model = models.CharField(max_length=_LONGEST_MODEL, blank=True, default="")
    system_prompt = models.TextField(blank=True, default="")
    pinned = models.BooleanField(default=False)
    archived = models.BooleanField(default=False)
    leaf_id = ObjectIdField(null=True, blank=True)
    message_count = models.PositiveIntegerField(default=0)
    titled_by = models.CharField(
        max_length=16, blank=True, default="", choices=[(title.value, title.value) for title in TitledBy]
    )
    client_id = models.CharField(max_length=_LONGEST_CLIENT_ID, null=True, blank=True)  # noqa: DJ001 - null is "none"
    import_key = models.CharField(max_length=_LONGEST_IMPORT_KEY, null=True, blank=True)  # noqa: DJ001 - as above
    imported_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "conversations"
        ordering = ["-updated_at", "-id"]
        indexes = [
            models.Index(fields=["user", "archived", "-pinned", "-updated_at", "-id"], name="conversation_list"),
            models.Index(fields=["-updated_at", "-id"], name="conversation_desk"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "client_id"], condition=Q(client_id__gt=""), name="conversation_client_id"
            ),
            models.UniqueConstraint(
                fields=["user", "import_key"], condition=Q(import_key__gt=""), name="conversation_import_key"
            ),
        ]

    def __str__(self) -> str:
        return self.title or "New conversation"


class Message(models.Model):
    """A node of the tree. Never overwritten by an edit: an edit is a sibling. `position` counts the run's chunks."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages", db_index=False)
    # Deleted with its conversation, which is deleted with its user: no index of its own to keep.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    parent_id = ObjectIdField(null=True, blank=True)
    role = models.CharField(max_length=16, choices=[(role.value, role.value) for role in Role])
    parts = models.JSONField(default=list, blank=True)
    text = models.TextField(blank=True, default="")
    grams = models.TextField(blank=True, default="")
    status = models.CharField(max_length=16, choices=[(status.value, status.value) for status in MessageStatus])
    run_id = ObjectIdField(null=True, blank=True)
    model = models.CharField(max_length=_LONGEST_MODEL, blank=True, default="")
    usage = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    context = models.JSONField(null=True, blank=True)
    feedback = models.JSONField(null=True, blank=True)
    client_id = models.CharField(max_length=_LONGEST_CLIENT_ID, null=True, blank=True)  # noqa: DJ001 - null is "none"
    position = models.IntegerField(default=0)
    calls = models.PositiveSmallIntegerField(default=0)
    resumption = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "messages"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["conversation", "id"], name="message_branch"),
            models.Index(fields=["user", "conversation", "parent_id", "id"], name="message_siblings"),
            models.Index(
                fields=["conversation", "client_id", "-id"], condition=Q(client_id__gt=""), name="message_client_id"
            ),
            models.Index(fields=["-created_at", "-id"], name="message_desk"),
            TextIndex(fields=["user", "text", "grams"], searched=["text", "grams"], name="message_search"),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.text_so_far[:60]}"

    @property
    def text_so_far(self) -> str:
        """The plain text, also of an answer that is still being written."""
        return plain_text(self.parts) if self.status == MessageStatus.STREAMING else self.text


class Run(models.Model):
    """One answer in the making or made. `branch_id` is the message that the branch grows from (or the conversation)."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="runs", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    user_message_id = ObjectIdField()
    message_id = ObjectIdField()
    branch_id = ObjectIdField()
    model = models.CharField(max_length=_LONGEST_MODEL)
    provider = models.CharField(max_length=40)
    status = models.CharField(max_length=16, choices=[(status.value, status.value) for status in RunStatus])
    active = models.BooleanField(default=True)
    usage = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - null is "none given"
    worker = models.CharField(max_length=_LONGEST_WORKER, blank=True, default="")
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    begins_at = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    first_token_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "runs"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["conversation"], name="run_conversation"),
            # For the end of an account: which are at work, and whatever else is left.
            models.Index(fields=["user", "active", "id"], name="run_of_user"),
            models.Index(fields=["lease_expires_at"], condition=Q(active=True), name="run_lease"),
            models.Index(fields=["-created_at", "-id"], name="run_desk"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "branch_id"], condition=Q(active=True), name="run_one_active_per_branch"
            ),
            models.UniqueConstraint(
                fields=["user", "idempotency_key"], condition=Q(idempotency_key__gt=""), name="run_idempotency"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model}, {self.status}"


class Import(models.Model):
    """A file of conversations on its way into an account, and what became of it. Kept a while."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="imports", db_index=False)
    name = models.CharField(max_length=_LONGEST_FILE_NAME, blank=True, default="")
    size = models.PositiveBigIntegerField()
    received = models.PositiveBigIntegerField(default=0)
    status = models.CharField(max_length=16, choices=[(status.value, status.value) for status in ImportStatus])
    active = models.BooleanField(default=False)
    slot = models.PositiveSmallIntegerField(null=True, blank=True)
    added = models.PositiveIntegerField(default=0)
    known = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    problems = models.JSONField(default=list, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=_LONGEST_WORKER, blank=True, default="")
    lease_expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "imports"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["user", "-id"], name="import_list"),
            models.Index(fields=["-created_at", "-id"], name="import_desk"),
            models.Index(fields=["lease_expires_at"], condition=Q(active=True), name="import_lease"),
            TTLIndex(fields=["expires_at"], name="imports_expired"),
        ]
        constraints = [
            # Two requests at once cannot both take the owner's last place.
            models.UniqueConstraint(fields=["user", "slot"], condition=Q(slot__gt=0), name="import_slot"),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.status}"


class ImportChunk(models.Model):
    """A piece of an import's file. Deleted when the import comes to rest; `expires_at` is for what a crash leaves."""

    upload = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    offset = models.PositiveBigIntegerField()
    content = models.BinaryField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "import_chunks"
        indexes = [TTLIndex(fields=["expires_at"], name="import_chunks_expired")]
        constraints = [models.UniqueConstraint(fields=["upload", "offset"], name="import_chunk_once")]

    def __str__(self) -> str:
        return f"from {self.offset}"


class Attachment(models.Model):
    """A file for a message; its bytes lie in the storage `attachments`. Null `conversation`: not sent yet.

    The bytes are deleted before the row: one without its bytes is seen and deleted again, bytes without a row are lost.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="attachments", db_index=False
    )
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="attachments", db_index=False, null=True, blank=True
    )
    name = models.CharField(max_length=_LONGEST_FILE_NAME)
    media_type = models.CharField(max_length=_LONGEST_MEDIA_TYPE)
    size_bytes = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=_LONGEST_STORAGE_KEY)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "attachments"
        ordering = ["-created_at", "-id"]
        indexes = [
            # With the size, so that what is not sent yet is summed up without reading it.
            models.Index(fields=["user", "conversation", "id", "size_bytes"], name="attachment_owner"),
            models.Index(fields=["conversation"], name="attachment_conversation"),
            models.Index(fields=["expires_at"], name="attachment_expired"),
            models.Index(fields=["-created_at", "-id"], name="attachment_desk"),
        ]

    def __str__(self) -> str:
        return self.name


class RetentionRule(models.Model):
    """How long conversations of a group's users are kept, in the place of RETENTION_DAYS.

    Whoever is in several such groups has the longest of their times.
    """

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="+")
    days = models.PositiveIntegerField(
        validators=[MaxValueValidator(_MOST_RETENTION_DAYS)],
        help_text="Days after which a conversation that nobody went on with is deleted, pinned or not. 0: never.",
    )

    class Meta:
        db_table = "retention_rules"
        ordering = ("-days", "-id")
        indexes = [models.Index(fields=["-days", "-id"], name="retention_rule_list")]

    def __str__(self) -> str:
        return f"{self.group}: {self.days} days" if self.days else f"{self.group}: for ever"


class RetentionSweep(models.Model):
    """The one sweep of old conversations that is, or was last, at work: whose it is, and how far.

    `going` are the conversations that are being deleted just now, with their owners: a worker that is lost leaves their
    messages to the next one. `position` is the last conversation that was looked at.
    """

    id = models.CharField(primary_key=True, max_length=20, default="conversations", db_column="_id")
    worker = models.CharField(max_length=_LONGEST_WORKER, blank=True, default="")
    lease_expires_at = models.DateTimeField()
    next_at = models.DateTimeField()
    position = models.JSONField(null=True, blank=True)
    going = models.JSONField(default=list, blank=True)
    deleted = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "retention_sweeps"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)
