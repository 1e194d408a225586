"""Deleting attachments from the desk road: with their conversation or user in the admin, a command, the shell.

The file goes first: when it cannot be deleted, neither is its row, and the deletion can be done again.
"""

from typing import Any

from django.db.models.signals import pre_delete

from chat.attachments.storage import remove_file_at_desk
from chat.models import Attachment


def connect() -> None:
    """From now on, the rows that the desk road deletes take their files along."""
    pre_delete.connect(_on_attachment_going, sender=Attachment, dispatch_uid="chat.attachments.going")


def _on_attachment_going(instance: Attachment, **_signal: Any) -> None:
    remove_file_at_desk(instance.key)
