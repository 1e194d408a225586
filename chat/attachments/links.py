"""Addresses of attachments: how they are written, signed for a while, and read. Pure but for settings and clock."""

import re
from typing import Any, Final
from urllib.parse import urlsplit

from bson import ObjectId
from django.core.signing import BadSignature, TimestampSigner

from chat.attachments.errors import FileNotOurs, LinkExpired
from chat.types import Attachment
from eloquent.foundation.config import get_config
from eloquent.foundation.ids import AttachmentId, UserId, is_id

OPENS_FOR_S: Final = 600
_LONGEST_ADDRESS: Final = 500
_NAMED: Final = re.compile(r"attachment:([0-9a-f]{24})", re.ASCII).fullmatch
# The address of what is known of it, of its content, and of its content with a signature, which may be outdated.
_PATH: Final = re.compile(r"/api/v1/attachments/([0-9a-f]{24})(?:/content(?:/[A-Za-z0-9:_-]+)?)?", re.ASCII).fullmatch


def address_of(attachment_id: AttachmentId) -> str:
    """The address of the content, for the owner's session. It stays the same wherever the server is."""
    return f"/api/v1/attachments/{attachment_id}/content"


def signed_address_of(attachment: Attachment) -> str:
    """An address of the content that opens for `OPENS_FOR_S` to whoever has it, and says nothing of a session.

    Absolute where the settings say where browsers reach this API.
    """
    signature = _signer(attachment.id).sign(str(attachment.user_id))
    return f"{get_config().next_public_api_url or ''}{address_of(attachment.id)}/{signature}"


def owner_in(attachment_id: AttachmentId, signature: str) -> UserId:
    """Whose attachment the signature opens.

    Raises:
        LinkExpired: it is too old, of another attachment, or none of ours.
    """
    try:
        owner = _signer(attachment_id).unsign(signature, max_age=OPENS_FOR_S)
    except BadSignature:
        raise LinkExpired from None
    if not is_id(owner):
        raise LinkExpired
    return ObjectId(owner)


def attachment_in(address: Any) -> AttachmentId:
    """Which attachment the address in a file part names: `attachment:<id>`, or an address of ours, signed or not.

    Raises:
        FileNotOurs: it is another one, or a `data:` URL.
    """
    if not isinstance(address, str) or len(address) > _LONGEST_ADDRESS:
        raise FileNotOurs
    try:
        parts = urlsplit(address)
        is_ours = (not parts.netloc and not parts.scheme) or _is_our_place(parts.scheme, parts.hostname)
    except ValueError:
        raise FileNotOurs from None
    found = _NAMED(address) or (_PATH(parts.path) if is_ours and not parts.query else None)
    if found is None:
        raise FileNotOurs
    return ObjectId(found[1])


def file_part(attachment: Attachment) -> dict[str, Any]:
    """The attachment as a part of a message: the AI SDK's file part."""
    return {
        "type": "file",
        "mediaType": attachment.media_type,
        "filename": attachment.name,
        "url": address_of(attachment.id),
    }


def _is_our_place(scheme: str, host: str | None) -> bool:
    config = get_config()
    public = urlsplit(config.next_public_api_url or "").hostname
    return scheme in ("http", "https") and host in (*(name.strip("[]") for name in config.allowed_hosts), public)


def _signer(attachment_id: AttachmentId) -> TimestampSigner:
    return TimestampSigner(salt=f"chat.attachments.{attachment_id}")
