"""Import over HTTP: announce a file, send its bytes in pieces, watch what becomes of it, cancel it."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Field, Path, Query, Router, Schema

from accounts.authentication import SessionAuth, identity_of
from chat.imports import uploading
from chat.types import Import, ImportStatus
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import A_NUMBER, Body, Cursor, PageSize
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import json_reply

router = Router(tags=["chat"], auth=SessionAuth())

ImportIdInPath = Annotated[ObjectIdField, Path()]
_PIECE_DOC = {
    "required": True,
    "content": {
        "application/octet-stream": {
            "schema": {"type": "string", "format": "binary"},
            "example": '[{"title": "Of tea", "mapping": {',
        }
    },
}


class NewImport(Body):
    """A file that is about to be sent. `size` is its bytes."""

    name: Annotated[str, Field(max_length=200, examples=["conversations.json"])] = ""
    size: Annotated[int, Field(ge=1, le=uploading.LARGEST_FILE, examples=[1_048_576]), A_NUMBER]


class ImportOut(Schema):
    """An import. `added`, `known` (there already) and `failed` count conversations; `problems` are the first 50."""

    id: ObjectIdField
    name: str
    size: int
    received: int
    status: ImportStatus
    added: int
    known: int
    failed: int
    problems: list[str]
    created_at: datetime
    finished_at: datetime | None


class ImportPage(Schema):
    """Imports, newest first."""

    items: list[ImportOut]
    next_cursor: str | None


@router.post(
    "/imports",
    response={201: ImportOut, **problems(401, 409, 422)},
    operation_id="create_import",
    summary="Announce a file of conversations",
)
async def create_import(request: HttpRequest, body: NewImport) -> HttpResponse:
    """A ChatGPT export's `conversations.json`, or a JSON export from here. Its bytes are sent to `.../content`."""
    made = await uploading.announce_import(identity_of(request).user_id, name=body.name, size=body.size)
    return json_reply(import_out(made), status=201)


@router.put(
    "/imports/{import_id}/content",
    response={200: ImportOut, **problems(401, 404, 409, 422)},
    operation_id="send_import_content",
    summary="Send the next piece of the file",
    openapi_extra={"requestBody": _PIECE_DOC},
)
async def send_import_content(
    request: HttpRequest, import_id: ImportIdInPath, offset: Annotated[int, Query(ge=0, le=uploading.LARGEST_FILE)]
) -> HttpResponse:
    """At most 1 MiB, from `offset` on, which is where the received bytes end.

    Otherwise 409, whose `received` says where to go on. With the last byte the import begins.
    """
    taken = await uploading.receive_chunk(identity_of(request).user_id, import_id, request.body, offset=offset)
    return json_reply(import_out(taken))


@router.get(
    "/imports",
    response={200: ImportPage, **problems(401, 422)},
    operation_id="list_imports",
    summary="List imports",
)
async def list_imports(request: HttpRequest, cursor: Cursor = None, limit: PageSize = 30) -> HttpResponse:
    """The newest first. They are kept for a week."""
    page = await uploading.imports_of(identity_of(request).user_id, cursor=cursor, limit=limit)
    return json_reply({"items": [import_out(item) for item in page.items], "next_cursor": page.next_cursor})


@router.get(
    "/imports/{import_id}",
    response={200: ImportOut, **problems(401, 404, 422)},
    operation_id="read_import",
    summary="Read how far an import is",
)
async def read_import(request: HttpRequest, import_id: ImportIdInPath) -> HttpResponse:
    """How much has arrived, and what became of the conversations so far."""
    return json_reply(import_out(await uploading.import_of(identity_of(request).user_id, import_id)))


@router.delete(
    "/imports/{import_id}",
    response={200: ImportOut, **problems(401, 404, 422)},
    operation_id="cancel_import",
    summary="Cancel an import",
)
async def cancel_import(request: HttpRequest, import_id: ImportIdInPath) -> HttpResponse:
    """What was imported stays; one that has ended stays as it is."""
    return json_reply(import_out(await uploading.cancel_import(identity_of(request).user_id, import_id)))


def import_out(value: Import) -> dict[str, object]:
    """An import as `ImportOut` says."""
    shown = {name: getattr(value, name) for name in ImportOut.model_fields}
    return {**shown, "id": str(value.id)}
