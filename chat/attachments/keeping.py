"""Attachments: taken in, found, read, deleted. And the one way to an attachment by its id.

What is known of a file is written before the file, and deleted after it: a process that dies in between leaves no file
that nobody knows of.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final, NamedTuple

from bson import ObjectId

from chat import store
from chat.attachments.errors import (
    AttachmentBroken,
    AttachmentEmpty,
    AttachmentKindDiffers,
    AttachmentKindUnknown,
    AttachmentSent,
    AttachmentsFull,
    AttachmentTooManyPixels,
    StorageAway,
    TooMuchUnsent,
)
from chat.attachments.kinds import Broken, Kind, UnknownKind, fits_announced, kind_of
from chat.attachments.naming import name_for
from chat.attachments.storage import file_at, keep_file, remove_file
from chat.types import Attachment
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import NotFound, PayloadTooLarge
from eloquent.foundation.ids import AttachmentId, ConversationId, UserId

SENT_WITHIN: Final = timedelta(days=1)
"""An attachment that no message has by then is deleted."""
COUNTED_AS_AT_LEAST: Final = 64 * 1024
"""Bytes that a small file counts for among those not sent yet: a million of them are a burden, too."""
_AT_ONCE: Final = 100
_examiner: Final = ThreadPoolExecutor(1, thread_name_prefix="examiner")
_BOM: Final = b"\xef\xbb\xbf"


class _Examined(NamedTuple):
    kind: Kind
    sha256: str


async def keep_attachment(owner: UserId, content: bytes, *, name: str, announced: str) -> Attachment:
    """Take in a file for a message that is yet to be sent. `announced` is the Content-Type that came with it.

    Raises:
        AttachmentEmpty, AttachmentKindUnknown, AttachmentBroken, AttachmentTooManyPixels: such a file is not taken.
        AttachmentKindDiffers: it is not what was announced.
        PayloadTooLarge: it has more bytes than are allowed.
        TooMuchUnsent: the owner has as much waiting as is allowed.
        AttachmentsFull: the owner has as much in all as is allowed.
        StorageAway: it could not be kept.
    """
    if len(content) > get_config().attachment_max_bytes:
        raise PayloadTooLarge(f"A file has at most {get_config().attachment_max_bytes:,} bytes.")
    # In a thread, one file at a time: to walk through megabytes takes longer than an answer's next words may wait.
    kind, sha256 = await asyncio.get_running_loop().run_in_executor(_examiner, _examined, content, announced)
    attachment_id, at = ObjectId(), now()
    attachment = Attachment(
        id=attachment_id,
        user_id=owner,
        name=name_for(name, kind),
        media_type=kind.media_type,
        size_bytes=len(content),
        width=kind.width,
        height=kind.height,
        sha256=sha256,
        key=f"{owner}/{attachment_id}",
        created_at=at,
        expires_at=at + SENT_WITHIN,
    )
    await store.add_attachment(attachment)
    # Written before it is counted, and counted up to itself: of many at once those that came first are taken. What
    # arrives in the same moment at another process may not be seen yet.
    attached = await store.attached_bytes(owner, attachment.id, each_at_least=COUNTED_AS_AT_LEAST)
    too_much = attached.all > get_config().attachments_max_bytes
    if too_much or attached.unsent > get_config().attachments_unsent_max_bytes:
        await store.forget_attachments([attachment])
        raise AttachmentsFull if too_much else TooMuchUnsent
    try:
        await keep_file(attachment.key, content)
    except StorageAway:
        await store.expire_attachment(owner, attachment.id)  # a part of it may be there: the sweep sees to it
        raise
    return attachment


async def attachment_of(owner: UserId, attachment_id: AttachmentId) -> Attachment:
    """The owner's attachment.

    Raises:
        NotFound: none with this id, or another user's: the caller cannot tell which.
    """
    attachment = await store.find_attachment(owner, attachment_id)
    if attachment is None:
        raise _none_such()
    return attachment


async def content_of(owner: UserId, attachment_id: AttachmentId) -> tuple[Attachment, bytes]:
    """The owner's attachment with its bytes.

    Raises:
        NotFound: none with this id, or another user's, or its file is gone.
        StorageAway: it cannot be read now.
    """
    attachment = await attachment_of(owner, attachment_id)
    content = await file_at(attachment.key)
    if content is None:
        raise _none_such()
    return attachment, content


async def delete_attachment(owner: UserId, attachment_id: AttachmentId) -> None:
    """Delete the owner's attachment that was not sent yet.

    Raises:
        NotFound: none with this id, or another user's.
        AttachmentSent: a message has it.
        StorageAway: it cannot be deleted now, and will be; it cannot be sent any more.
    """
    attachment = await store.expire_attachment(owner, attachment_id)
    if attachment is None:
        await attachment_of(owner, attachment_id)
        raise AttachmentSent
    await remove([attachment])


async def delete_attachments_of(owner: UserId, conversation_id: ConversationId) -> None:
    """Delete all that was sent with messages of the owner's conversation.

    Raises:
        StorageAway: some of it is still there, and known of.
    """
    while sent := await store.attachments_of(owner, conversation_id, limit=_AT_ONCE):
        await remove(sent)


async def remove(attachments: Sequence[Attachment]) -> None:
    """Delete the files, then what is known of those that are gone.

    Raises:
        StorageAway: some could not be deleted.
    """
    removed = await asyncio.gather(*(remove_file(attachment.key) for attachment in attachments), return_exceptions=True)
    failures = [outcome for outcome in removed if outcome is not None]
    gone = [attachment for attachment, outcome in zip(attachments, removed, strict=True) if outcome is None]
    await store.forget_attachments(gone)
    if failures:
        raise failures[0]


def _examined(content: bytes, announced: str) -> _Examined:
    if not content.removeprefix(_BOM).strip():
        raise AttachmentEmpty
    try:
        kind = kind_of(content)
    except UnknownKind:
        raise AttachmentKindUnknown from None
    except Broken:
        raise AttachmentBroken from None
    if not fits_announced(kind, announced):
        raise AttachmentKindDiffers(kind.media_type)
    most = get_config().attachment_max_pixels
    if kind.width and kind.height and kind.width * kind.height > most:
        raise AttachmentTooManyPixels(kind.width, kind.height, most=most)
    return _Examined(kind, hashlib.sha256(content).hexdigest())


def _none_such() -> NotFound:
    return NotFound("There is no such attachment.")
