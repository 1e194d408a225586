"""Rows of a collection that are a person's: counted, deleted in batches, written to files as JSON.

For entries of `eloquent.foundation.personal_data` whose rows have a field with the user's id and an index on it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import orjson
from bson import ObjectId
from django.apps import apps
from pymongo import ASCENDING

from eloquent.foundation.database import database
from eloquent.foundation.ids import UserId
from eloquent.foundation.personal_data import ExportedFile, PersonalStore, Piece, Stage, Treatment

AT_ONCE: Final = 500
_DESK_LOG: Final = "django_admin_log"
_OPTIONS: Final = orjson.OPT_UTC_Z

BeforeDeletion = Callable[[Sequence[Any]], Awaitable[object]]


def of_model(
    label: str,
    name: str,
    what: str,
    *,
    by: str = "user_id",
    stage: Stage = Stage.ACCESS,
    exports: Iterable[str] = (),
    not_exported: str = "",
    before: BeforeDeletion | None = None,
    at_once: int = AT_ONCE,
) -> PersonalStore:
    """The entry of a model whose rows are deleted with their user.

    Args:
        label: the model's, "app.Model".
        name: of the place, and of its file in an export.
        what: what is there, in words for the person.
        by: the column with the user's id. It has an index.
        stage: when in an erasure.
        exports: the columns that an export shows; without any, `not_exported` says why.
        not_exported: why it is not exported.
        before: called with the ids of rows that are about to be deleted.
        at_once: rows that are deleted at once.
    """
    columns = tuple(exports)
    return PersonalStore(
        name=name,
        what=what,
        treatment=Treatment.DELETE,
        stage=stage,
        models=(label,),
        erase=partial(delete_rows, label, by, before=before, at_once=at_once),
        count=partial(count_rows, label, by),
        export=partial(_one_file, label, by, name, columns) if columns else None,
        not_exported=not_exported,
    )


async def delete_rows(
    label: str, by: str, owner: UserId, *, before: BeforeDeletion | None = None, at_once: int = AT_ONCE
) -> int:
    """Delete some of the owner's rows; how many, 0 when none is left. What staff's log says of them goes first."""
    collection = _collection(label)
    found = await collection.find({by: owner}, {"_id": True}, limit=at_once, batch_size=at_once + 1).to_list()
    ids = [document["_id"] for document in found]
    if not ids:
        return 0
    await forget_names(ids)
    if before is not None:
        await before(ids)
    deleted: int = (await collection.delete_many({"_id": {"$in": ids}, by: owner})).deleted_count
    return deleted


async def count_rows(label: str, by: str, owner: UserId) -> int:
    """How many rows are the owner's."""
    many: int = await _collection(label).count_documents({by: owner})
    return many


async def forget_names(ids: Sequence[Any]) -> None:
    """Take out of staff's log what it calls these objects, and what it says of them: that may be words of theirs."""
    named = {"object_id": {"$in": [str(each) for each in ids]}}
    nothing = {"object_repr": "(erased)", "change_message": ""}
    await database()[_DESK_LOG].update_many(named, {"$set": nothing})


async def rows_of(label: str, by: str, owner: UserId, columns: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
    """The owner's rows, oldest first, with these columns (`id` for the primary key) as JSON values."""
    stored = {"_id" if column == "id" else column: True for column in columns}
    last: Any = None
    while True:
        wanted: dict[str, Any] = {by: owner} if last is None else {by: owner, "_id": {"$gt": last}}
        page = await (
            _collection(label)
            .find(wanted, {"_id": True, **stored}, limit=AT_ONCE, batch_size=AT_ONCE + 1)
            .sort("_id", ASCENDING)
            .to_list()
        )
        for document in page:
            yield {column: _shown(document.get("_id" if column == "id" else column)) for column in columns}
        if len(page) < AT_ONCE:
            return
        last = page[-1]["_id"]


async def listed(kind: str, documents: AsyncIterator[dict[str, Any]]) -> AsyncIterator[Piece]:
    """A JSON file `{"format": "eloquent.<kind>/1", "items": [...]}` in pieces, an item a line."""
    yield Piece(b'{"format":"eloquent.' + kind.encode() + b'/1","items":[')
    first = True
    async for document in documents:
        yield Piece((b"\n" if first else b",\n") + orjson.dumps(document, option=_OPTIONS), 1)
        first = False
    yield Piece(b"\n]}\n")


async def _one_file(
    label: str, by: str, name: str, columns: Sequence[str], owner: UserId
) -> AsyncIterator[ExportedFile]:
    yield ExportedFile(f"{name}.json", listed(name, rows_of(label, by, owner, columns)))


def _collection(label: str) -> Any:
    return database()[apps.get_model(label)._meta.db_table]


def _shown(value: Any) -> Any:
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, datetime):
        return value
    if isinstance(value, list):
        return [_shown(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _shown(each) for key, each in value.items()}
    return value
