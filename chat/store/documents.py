"""Documents to typed values and back, for the modules beside this one. Nobody else knows documents."""

from datetime import UTC
from typing import Any, Final

from bson import CodecOptions
from pymongo import WriteConcern
from pymongo.asynchronous.collection import AsyncCollection

from chat.search.words import grams_of
from chat.types import (
    Attachment,
    Conversation,
    Import,
    ImportChunk,
    ImportStatus,
    Message,
    MessageStatus,
    Role,
    Run,
    RunStatus,
    TitledBy,
)
from eloquent.foundation.database import database

CONVERSATIONS: Final = "conversations"
MESSAGES: Final = "messages"
RUNS: Final = "runs"
IMPORTS: Final = "imports"
IMPORT_CHUNKS: Final = "import_chunks"
ATTACHMENTS: Final = "attachments"
_UNWAITED: Final = WriteConcern(w=1)
_BARE_TIMES: Final[CodecOptions[dict[str, Any]]] = CodecOptions(tz_aware=False)
# A look-up costs a tenth of what calling the class does, and a list makes 60 of them.
_ROLES: Final = {role.value: role for role in Role}
_MESSAGE_STATUSES: Final = {status.value: status for status in MessageStatus}
_TITLED_BY: Final = {maker.value: maker for maker in TitledBy}


def soon(collection: str) -> AsyncCollection[dict[str, Any]]:
    """The collection, for writes that need not wait for the journal: a later one covers them, or they can be redone."""
    return database().get_collection(collection, write_concern=_UNWAITED)


def many(collection: str) -> AsyncCollection[dict[str, Any]]:
    """The collection, for reading many documents: times come without their zone, UTC, which `*_from` gives them back.

    The driver's own aware times cost 1.2 µs each, twice as much as both steps here: a twentieth of a list's CPU.
    """
    return database().get_collection(collection, codec_options=_BARE_TIMES)


# Fields are named one by one: one that another version of this program has written is left alone, not tripped over.


def conversation_from(document: dict[str, Any]) -> Conversation:
    """A document of `conversations` as a value."""
    imported_at = document.get("imported_at")
    return Conversation(
        id=document["_id"],
        user_id=document["user_id"],
        title=document["title"],
        model=document["model"],
        system_prompt=document["system_prompt"],
        pinned=document["pinned"],
        archived=document["archived"],
        leaf_id=document["leaf_id"],
        message_count=document["message_count"],
        titled_by=_TITLED_BY[document["titled_by"]],
        client_id=document["client_id"],
        import_key=document["import_key"],
        imported_at=imported_at.replace(tzinfo=UTC) if imported_at else None,
        created_at=document["created_at"].replace(tzinfo=UTC),
        updated_at=document["updated_at"].replace(tzinfo=UTC),
    )


def message_from(document: dict[str, Any]) -> Message:
    """A document of `messages` as a value."""
    return Message(
        id=document["_id"],
        conversation_id=document["conversation_id"],
        user_id=document["user_id"],
        parent_id=document["parent_id"],
        role=_ROLES[document["role"]],
        parts=document["parts"],
        text=document["text"],
        grams=document["grams"],
        status=_MESSAGE_STATUSES[document["status"]],
        run_id=document["run_id"],
        model=document["model"],
        usage=document["usage"],
        error=document["error"],
        context=document["context"],
        feedback=document["feedback"],
        client_id=document["client_id"],
        position=document["position"],
        calls=document.get("calls", 0),
        resumption=document.get("resumption"),
        created_at=document["created_at"].replace(tzinfo=UTC),
    )


def run_from(document: dict[str, Any]) -> Run:
    """A document of `runs` as a value."""
    values = {name: document[name] for name in Run.__struct_fields__[1:] if name != "begins_at"}
    values["begins_at"] = document.get("begins_at", 0)
    return Run(**{**values, "id": document["_id"], "status": RunStatus(document["status"])})


def import_from(document: dict[str, Any]) -> Import:
    """A document of `imports` as a value."""
    values = {name: document[name] for name in Import.__struct_fields__[1:]}
    return Import(**{**values, "id": document["_id"], "status": ImportStatus(document["status"])})


def chunk_from(document: dict[str, Any]) -> ImportChunk:
    """A document of `import_chunks` as a value."""
    values = {name: document[name] for name in ImportChunk.__struct_fields__[1:]}
    return ImportChunk(id=document["_id"], **values)


def attachment_from(document: dict[str, Any]) -> Attachment:
    """A document of `attachments` as a value."""
    values = {name: document[name] for name in Attachment.__struct_fields__[1:]}
    return Attachment(id=document["_id"], **values)


def document_of(value: Conversation | Message | Run | Import | ImportChunk | Attachment) -> dict[str, Any]:
    """The value as the document that is stored."""
    document = {name: getattr(value, name) for name in value.__struct_fields__[1:]}
    if isinstance(value, Message):
        # Here, so that no writer of a text can forget it.
        document["grams"] = grams_of(value.text)
    return {"_id": value.id, **document}
