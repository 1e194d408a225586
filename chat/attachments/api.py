"""Attachments over HTTP: upload a file, read what is known of it and its content, delete it."""

from datetime import datetime
from typing import Annotated, Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from ninja import Path, Query, Router, Schema

from accounts.authentication import SessionAuth, identity_of
from chat.attachments import keeping, links
from chat.attachments.kinds import MEDIA_TYPES, TEXT
from chat.types import Attachment
from eloquent.foundation.config import get_config
from eloquent.foundation.ids import ObjectIdField, UserId
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import empty_reply, json_reply

router = Router(tags=["attachments"], auth=SessionAuth())

AttachmentIdInPath = Annotated[ObjectIdField, Path()]
_LONGEST_NAME_SENT: Final = 1_000
_BYTES: Final = {"type": "string", "format": "binary"}
_FILE_DOC: Final[dict[str, Any]] = {
    "required": True,
    "content": {"application/octet-stream": {"schema": _BYTES, "example": "Three minutes, no more.\n"}},
}
_CONTENT_DOC: Final[dict[str, Any]] = {
    "description": "the file",
    "headers": {"Content-Disposition": {"description": "the file's name", "schema": {"type": "string"}}},
    "content": {media_type: {"schema": _BYTES, "example": "…"} for media_type in MEDIA_TYPES},
}


class AttachmentOut(Schema):
    """A file that was attached. `url` opens its content for ten minutes without a token, for an `<img>`.

    `width` and `height` are a picture's pixels. `conversation_id` is null until it was sent with a message, and then
    `expires_at`, by when that must be, is.
    """

    id: ObjectIdField
    conversation_id: ObjectIdField | None
    name: str
    media_type: str
    size_bytes: int
    width: int | None
    height: int | None
    sha256: str
    url: str
    created_at: datetime
    expires_at: datetime | None


@router.post(
    "/attachments",
    response={201: AttachmentOut, **problems(401, 409, 422, 429)},
    operation_id="create_attachment",
    summary="Upload a file to send with a message",
    openapi_extra={"requestBody": _FILE_DOC},
)
async def create_attachment(
    request: HttpRequest, name: Annotated[str, Query(max_length=_LONGEST_NAME_SENT)] = ""
) -> HttpResponse:
    """The body is the file alone: a picture (PNG, JPEG, GIF, WebP) or a text in UTF-8, 10 MiB at most by default.

    What it is is told by its bytes; a Content-Type that says something else is refused, `application/octet-stream` is
    always right. A name that ends otherwise gets the right ending added (`cup.png.txt`). Send it with a message within
    a day, as a part `{"type": "file", "id": …}`.
    """
    owner = identity_of(request).user_id
    kept = await keeping.keep_attachment(
        owner, request.body, name=name, announced=request.headers.get("Content-Type", "")
    )
    return json_reply(attachment_out(kept), status=201)


@router.get(
    "/attachments/{attachment_id}",
    response={200: AttachmentOut, **problems(401, 404, 422)},
    operation_id="read_attachment",
    summary="Read what is known of an attachment",
)
async def read_attachment(request: HttpRequest, attachment_id: AttachmentIdInPath) -> HttpResponse:
    """With a fresh `url`."""
    return json_reply(attachment_out(await keeping.attachment_of(identity_of(request).user_id, attachment_id)))


@router.get(
    "/attachments/{attachment_id}/content",
    response=problems(401, 404, 422),
    operation_id="read_attachment_content",
    summary="Read an attachment's content",
    openapi_extra={"responses": {200: _CONTENT_DOC}},
)
async def read_attachment_content(request: HttpRequest, attachment_id: AttachmentIdInPath) -> HttpResponse:
    """The file as it was uploaded."""
    return await _content_reply(identity_of(request).user_id, attachment_id)


@router.get(
    "/attachments/{attachment_id}/content/{signature}",
    response=problems(403, 404, 422),
    operation_id="open_attachment",
    summary="Open an attachment by its signed address",
    auth=None,
    openapi_extra={"responses": {200: _CONTENT_DOC}},
)
async def open_attachment(
    request: HttpRequest,  # noqa: ARG001 - ninja hands it over
    attachment_id: AttachmentIdInPath,
    signature: Annotated[str, Path(max_length=200)],
) -> HttpResponse:
    """The `url` of an attachment, which opens for ten minutes to whoever has it."""
    return await _content_reply(links.owner_in(attachment_id, signature), attachment_id)


@router.delete(
    "/attachments/{attachment_id}",
    response={204: None, **problems(401, 404, 409, 422)},
    operation_id="delete_attachment",
    summary="Delete an attachment that was not sent",
)
async def delete_attachment(request: HttpRequest, attachment_id: AttachmentIdInPath) -> HttpResponse:
    """One that was sent is deleted with its conversation."""
    await keeping.delete_attachment(identity_of(request).user_id, attachment_id)
    return empty_reply()


def attachment_out(attachment: Attachment) -> dict[str, Any]:
    """An `AttachmentOut`."""
    conversation_id = attachment.conversation_id
    return {
        "id": str(attachment.id),
        "conversation_id": conversation_id and str(conversation_id),
        "name": attachment.name,
        "media_type": attachment.media_type,
        "size_bytes": attachment.size_bytes,
        "width": attachment.width,
        "height": attachment.height,
        "sha256": attachment.sha256,
        "url": links.signed_address_of(attachment),
        "created_at": attachment.created_at,
        "expires_at": attachment.expires_at,
    }


async def _content_reply(owner: UserId, attachment_id: ObjectIdField) -> HttpResponse:
    """The file, so that a browser shows pictures, saves texts, and runs nothing of either.

    That it must not guess what they are (`nosniff`) is said of every answer.
    """
    attachment, content = await keeping.content_of(owner, attachment_id)
    is_text = attachment.media_type == TEXT
    disposition = content_disposition_header(as_attachment=is_text, filename=attachment.name)
    return HttpResponse(
        content,
        content_type=f"{TEXT}; charset=utf-8" if is_text else attachment.media_type,
        headers={
            "Content-Disposition": disposition or ("attachment" if is_text else "inline"),
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; sandbox",
            # Frontends of other origins show pictures by their signed addresses.
            "Cross-Origin-Resource-Policy": "cross-origin" if get_config().allowed_origins else "same-origin",
        },
    )
