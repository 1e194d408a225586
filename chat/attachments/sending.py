"""Files in a message that is about to be sent: which ones it names, and whether they may go with it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chat import store
from chat.attachments.errors import AttachmentUnknown, FileNotOurs
from chat.attachments.links import attachment_in, file_part
from chat.types import Attachment, Message, Role
from eloquent.foundation.clock import now
from eloquent.foundation.ids import AttachmentId, ConversationId, UserId


async def attachments_in(
    owner: UserId, branch: Sequence[Message], parts: Sequence[Mapping[str, Any]]
) -> dict[AttachmentId, Attachment] | None:
    """The owner's attachments that the branch and the new message's parts name; None, unread, when they name none."""
    named = [found for message in branch if message.role is Role.USER for found in files_named(message.parts)]
    named += files_named(parts)
    return await store.attachments_among(owner, list(set(named))) if named else None


def files_named(parts: Sequence[Mapping[str, Any]]) -> list[AttachmentId]:
    """The attachments that the parts of a message name, in their order."""
    return [found for part in parts if part["type"] == "file" and (found := file_named(part)) is not None]


def file_named(part: Mapping[str, Any]) -> AttachmentId | None:
    """The attachment that a file part names; None when its address is of something else."""
    try:
        return attachment_in(part.get("url"))
    except FileNotOurs:
        return None


def parts_to_send(
    parts: Sequence[dict[str, Any]], known: Mapping[AttachmentId, Attachment], conversation_id: ConversationId
) -> list[dict[str, Any]]:
    """The parts of a new message as they are kept: its files under their own names and kinds, whatever was sent.

    Raises:
        AttachmentUnknown: a file is not the owner's, has expired, or is another conversation's.
    """
    at = now()
    return [part if part["type"] != "file" else _part_to_send(part, known, conversation_id, at) for part in parts]


async def give_files(owner: UserId, conversation_id: ConversationId, files: Sequence[AttachmentId]) -> None:
    """Make these files the conversation's.

    It is the last thing before the message is written. Files whose message is not written after all stay the
    conversation's: the same request, sent twice, may have written it.

    Raises:
        AttachmentUnknown: one was deleted or sent elsewhere in this moment.
    """
    if not await store.give_attachments(owner, conversation_id, files, at=now()):
        raise AttachmentUnknown


def _part_to_send(
    part: Mapping[str, Any],
    known: Mapping[AttachmentId, Attachment],
    conversation_id: ConversationId,
    at: datetime,
) -> dict[str, Any]:
    found = file_named(part)
    attachment = known.get(found) if found is not None else None
    if attachment is None:
        raise AttachmentUnknown
    is_free = attachment.conversation_id is None and attachment.expires_at is not None and attachment.expires_at > at
    if not is_free and attachment.conversation_id != conversation_id:
        raise AttachmentUnknown
    return file_part(attachment)
