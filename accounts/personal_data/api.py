"""Over HTTP: have an account erased, read the receipt, take it back; have it exported, watch and fetch the export."""

from typing import Annotated, Final

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Path, Router

from accounts import throttle
from accounts.addresses import throttle_key
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.authentication import SessionAuth, identity_of
from accounts.cookies import REFRESH_COOKIE, drop_refresh_cookie
from accounts.devices import device_of
from accounts.personal_data import asking, exports
from accounts.personal_data.schemas import (
    CancelToken,
    ErasureOut,
    ExportOut,
    ExportPage,
    ReceiptOut,
    export_out,
)
from accounts.personal_data.storage import pieces_of
from accounts.proving import proven_owner
from accounts.schemas import OwnersProof
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Cursor, PageSize
from eloquent.foundation.problems import problems
from eloquent.foundation.ranges import Part, part_wanted
from eloquent.foundation.replies import empty_reply, json_reply

signed_in: Final = SessionAuth()
router = Router(tags=["personal data"])

ExportIdInPath = Annotated[ObjectIdField, Path()]
ReceiptInPath = Annotated[str, Path(max_length=200)]
_BYTES: Final = {"type": "string", "format": "binary"}
_ZIP: Final = "application/zip"
_HEADERS_DOC: Final = {
    "Content-Disposition": {"description": "the file's name", "schema": {"type": "string"}},
    "ETag": {"description": "the file's SHA-256", "schema": {"type": "string"}},
}
_CONTENT_DOC: Final = {
    200: {
        "description": "the ZIP",
        "headers": _HEADERS_DOC,
        "content": {_ZIP: {"schema": _BYTES, "example": "PK"}},
    },
    206: {
        "description": "the part of it that `Range` asks for",
        "headers": {
            **_HEADERS_DOC,
            "Content-Range": {"description": "which part it is", "schema": {"type": "string"}},
        },
        "content": {_ZIP: {"schema": _BYTES, "example": "PK"}},
    },
    304: {"description": "it is the one that `If-None-Match` names"},
}


@router.post(
    "/me/erasure",
    auth=signed_in,
    response={202: ErasureOut, **problems(401, 403, 422, 429)},
    operation_id="erase_me",
    summary="Have the own account erased",
)
async def erase_me(request: HttpRequest, body: OwnersProof) -> HttpResponse:
    """Everything that the account holds is deleted, for good. It is closed at once: all sessions end with this answer.

    What is kept without the person, and why, is in the receipt. Where the service waits some days before it begins,
    a letter has a link that takes it back.
    """
    user = (await proven_owner(identity_of(request), body.evidence(), device=device_of(request))).user
    asked = await asking.ask_for_erasure(user, device=device_of(request))
    reply = json_reply(
        {
            "id": str(asked.erasure.id),
            "receipt": asked.token,
            "state": asked.erasure.status,
            "asked_at": asked.erasure.asked_at,
            "due_at": asked.erasure.due_at,
        },
        status=202,
    )
    if REFRESH_COOKIE in request.COOKIES:
        drop_refresh_cookie(reply)
    return reply


@router.get(
    "/erasures/{receipt}",
    response={200: ReceiptOut, **problems(404, 422, 429)},
    operation_id="read_erasure",
    summary="Read the receipt of an erasure",
)
async def read_erasure(request: HttpRequest, receipt: ReceiptInPath) -> HttpResponse:
    """For whoever has its token. It says nothing of the person, and is kept for three years."""
    await throttle.spend(throttle.RECEIPT_BY_ADDRESS, throttle_key(device_of(request).address))
    return json_reply(await asking.receipt_by(receipt))


@router.post(
    "/auth/erasure/cancel",
    response={204: None, **problems(404, 422, 429)},
    operation_id="cancel_erasure",
    summary="Take an erasure back",
)
async def cancel_erasure(request: HttpRequest, body: CancelToken) -> HttpResponse:
    """With the token of the letter, before anything is erased. Then its user may sign in again."""
    device = device_of(request)
    await throttle.spend(throttle.RECEIPT_BY_ADDRESS, throttle_key(device.address))
    await asking.take_back(body.token, device=device)
    return empty_reply()


@router.post(
    "/me/exports",
    auth=signed_in,
    response={202: ExportOut, **problems(401, 403, 409, 422, 429)},
    operation_id="create_export",
    summary="Have all of the own data exported",
)
async def create_export(request: HttpRequest, body: OwnersProof) -> HttpResponse:
    """A ZIP of JSON files and attachments, as docs/export-format.md says. A letter tells when it is ready.

    One at a time, and five a day. It is kept for seven days.
    """
    user = (await proven_owner(identity_of(request), body.evidence(), device=device_of(request))).user
    await throttle.spend(throttle.EXPORT_BY_USER, str(user.id))
    return json_reply(export_out(await exports.ask_for_export(user.id, device=device_of(request))), status=202)


@router.get(
    "/me/exports",
    auth=signed_in,
    response={200: ExportPage, **problems(401, 422)},
    operation_id="list_exports",
    summary="List exports of the own data",
)
async def list_exports(request: HttpRequest, cursor: Cursor = None, limit: PageSize = 30) -> HttpResponse:
    """The newest first."""
    page = await exports.exports_of(identity_of(request).user_id, cursor=cursor, limit=limit)
    return json_reply({"items": [export_out(item) for item in page.items], "next_cursor": page.next_cursor})


@router.get(
    "/me/exports/{export_id}",
    auth=signed_in,
    response={200: ExportOut, **problems(401, 404, 422)},
    operation_id="read_export",
    summary="Read how far an export is",
)
async def read_export(request: HttpRequest, export_id: ExportIdInPath) -> HttpResponse:
    """How many documents are in it so far."""
    return json_reply(export_out(await exports.export_of(identity_of(request).user_id, export_id)))


@router.get(
    "/me/exports/{export_id}/content",
    auth=signed_in,
    response=problems(401, 404, 409, 416, 422),
    operation_id="read_export_content",
    summary="Fetch an export",
    openapi_extra={"responses": _CONTENT_DOC},
)
async def read_export_content(request: HttpRequest, export_id: ExportIdInPath) -> HttpResponseBase:
    """The ZIP, streamed. `Range` goes on with a download that broke off; `If-Range` makes sure that it is the same."""
    owner = identity_of(request).user_id
    export = await exports.fetched_export(owner, export_id)
    etag = f'"{export.sha256}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers={"ETag": etag})
    ranged = "" if request.headers.get("If-Range", etag) != etag else request.headers.get("Range", "")
    part = part_wanted(ranged, export.size_bytes)
    headers = {
        "Content-Disposition": f'attachment; filename="eloquent-{export.created_at:%Y-%m-%d}.zip"',
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
    }
    if part is None:
        part, status = Part(0, export.size_bytes), 200
    else:
        status = 206
        headers["Content-Range"] = f"bytes {part.start}-{part.start + part.length - 1}/{export.size_bytes}"
    if request.method != "HEAD":
        # A part as well: who leaves out the first byte may be no one who goes on with a download of their own.
        target, device = f"export:{export.id}", device_of(request)
        await record(Action.EXPORT_READ, actor=owner, subject=owner, device=device, target=target, from_byte=part.start)
    headers["Content-Length"] = str(part.length)
    content = pieces_of(export.key, part.start, part.length)
    return StreamingHttpResponse(content, status=status, content_type=_ZIP, headers=headers)
