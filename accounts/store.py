"""The request road's users, sessions and socket tickets: the only place that knows their documents.

Takes and returns the values below, never documents. Each value has every field of its model in `accounts.models`, so
whatever is written here loads there, and the other way round. Times are UTC, made with `eloquent.foundation.clock`.
"""

from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import msgspec
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.ids import SessionId, UserId

Document: TypeAlias = dict[str, Any]
_Value = TypeVar("_Value", bound=msgspec.Struct)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person. `password` is the encoded hash."""

    id: UserId
    email: str
    name: str
    password: str
    created_at: datetime
    is_staff: bool = False
    is_active: bool = True
    is_superuser: bool = False
    token_version: int = 0
    email_verified_at: datetime | None = None
    last_login: datetime | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in device; see `accounts.models.Session` for its fields."""

    id: SessionId
    user_id: UserId
    refresh_hash: str
    lineage_hash: str
    rotated_at: datetime
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    previous_hash: str = ""
    successor: str = ""
    ip: str = ""
    user_agent: str = ""
    label: str = ""
    revoked_at: datetime | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange of a refresh token: which for which, and the sealed successor."""

    from_hash: str
    to_hash: str
    successor: str
    at: datetime
    expires_at: datetime


class SocketTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to open one socket."""

    id: ObjectId
    hash: str
    user_id: UserId
    session_id: SessionId
    expires_at: datetime


class EmailTakenError(ValueError):
    """Another user has this email."""


class Position(msgspec.Struct, frozen=True):
    """A place in a list that is ordered newest first: what follows is older."""

    created_at: datetime
    id: ObjectId


# Users


async def add_user(user: User) -> None:
    """Write a new user.

    Raises:
        EmailTakenError: the unique index refused the email, also when two arrive at the same moment.
    """
    try:
        await database().users.insert_one(_document(user))
    except DuplicateKeyError as error:
        raise EmailTakenError(user.email) from error


async def user_by_email(email: str) -> User | None:
    """The user with this email, which must be in its stored form."""
    return _value(User, await database().users.find_one({"email": email}))


async def user_by_id(user_id: UserId) -> User | None:
    """The user, active or not."""
    return _value(User, await database().users.find_one({"_id": user_id}))


async def rename_user(user_id: UserId, name: str) -> User | None:
    """The user under the new name."""
    document = await database().users.find_one_and_update(
        {"_id": user_id}, {"$set": {"name": name}}, return_document=ReturnDocument.AFTER
    )
    return _value(User, document)


async def upgrade_password_hash(user_id: UserId, *, old: str, new: str) -> None:
    """Store the same password under a newer hash, unless it was changed meanwhile."""
    await database().users.update_one({"_id": user_id, "password": old}, {"$set": {"password": new}})


async def replace_password(user_id: UserId, *, old: str, new: str) -> User | None:
    """The user with the new hash and the next token version; None when another change was first."""
    document = await database().users.find_one_and_update(
        {"_id": user_id, "password": old},
        {"$set": {"password": new}, "$inc": {"token_version": 1}},
        return_document=ReturnDocument.AFTER,
    )
    return _value(User, document)


# Sessions


async def add_session(session: Session) -> None:
    """Write a new session."""
    await database().sessions.insert_one(_document(session))


async def session_by_id(session_id: SessionId) -> Session | None:
    """The session, living or not. For those who hold one of its tokens; everyone else names the owner too."""
    return _value(Session, await database().sessions.find_one({"_id": session_id}))


async def rotate_session(session_id: SessionId, rotation: Rotation) -> bool:
    """Store the next refresh token; False unless `from_hash` was still the current one and nothing ended the session.

    One compare-and-set, so of many who hold the same token exactly one rotates it.
    """
    changed = await database().sessions.update_one(
        {
            "_id": session_id,
            "refresh_hash": rotation.from_hash,
            "revoked_at": None,
            "expires_at": {"$gt": rotation.at},
        },
        {
            "$set": {
                "refresh_hash": rotation.to_hash,
                "previous_hash": rotation.from_hash,
                "successor": rotation.successor,
                "rotated_at": rotation.at,
                "last_seen_at": rotation.at,
                "expires_at": rotation.expires_at,
            }
        },
    )
    return changed.matched_count == 1


async def restart_lineage(
    session_id: SessionId, *, refresh_hash: str, lineage_hash: str, at: datetime, expires_at: datetime
) -> bool:
    """Give a living session a token that no earlier one is related to; False when the session has ended."""
    changed = await database().sessions.update_one(
        {"_id": session_id, "revoked_at": None},
        {
            "$set": {
                "refresh_hash": refresh_hash,
                "lineage_hash": lineage_hash,
                "previous_hash": "",
                "successor": "",
                "rotated_at": at,
                "last_seen_at": at,
                "expires_at": expires_at,
            }
        },
    )
    return changed.matched_count == 1


async def end_session(owner: UserId, session_id: SessionId, *, at: datetime) -> bool:
    """Revoke one living session of the owner; False when there was none."""
    ended = await database().sessions.update_one(
        {"_id": session_id, "user_id": owner, "revoked_at": None, "expires_at": {"$gt": at}},
        {"$set": {"revoked_at": at}},
    )
    return ended.modified_count == 1


async def end_sessions_of(owner: UserId, *, at: datetime, keep: SessionId | None = None) -> list[SessionId]:
    """Revoke all living sessions of the owner but `keep`; the ids of those that ended."""
    living: Document = {"user_id": owner, "revoked_at": None, "_id": {"$ne": keep}}
    ids = [document["_id"] async for document in database().sessions.find(living, {"_id": 1})]
    if ids:
        await database().sessions.update_many({"_id": {"$in": ids}, "revoked_at": None}, {"$set": {"revoked_at": at}})
    return ids


async def living_sessions_of(owner: UserId, *, at: datetime, after: Position | None, limit: int) -> list[Session]:
    """The owner's living sessions, newest first, those older than `after`."""
    query: Document = {"user_id": owner, "revoked_at": None, "expires_at": {"$gt": at}}
    if after is not None:
        # The range on created_at bounds the index scan; the $or breaks ties between sessions of one millisecond.
        query["created_at"] = {"$lte": after.created_at}
        query["$or"] = [{"created_at": {"$lt": after.created_at}}, {"_id": {"$lt": after.id}}]
    found = database().sessions.find(query).sort([("created_at", -1), ("_id", -1)]).limit(limit)
    return [_known(Session, document) async for document in found]


async def token_version_in_force(owner: UserId, session_id: SessionId) -> int | None:
    """The version that an access token of this session must carry right now; None when none lets anyone in.

    None also when the session ended or expired, is not the owner's, or the owner is not active. Two reads of a few
    bytes, by primary key.
    """
    session = await database().sessions.find_one(
        {"_id": session_id}, {"_id": 0, "user_id": 1, "revoked_at": 1, "expires_at": 1}
    )
    if session is None or session["user_id"] != owner:
        return None
    if session["revoked_at"] is not None or session["expires_at"] <= now():
        return None
    user = await database().users.find_one({"_id": owner}, {"_id": 0, "is_active": 1, "token_version": 1})
    if user is None or not user["is_active"]:
        return None
    version: int = user["token_version"]
    return version


# Socket tickets


async def add_ticket(ticket: SocketTicket) -> None:
    """Write a new ticket."""
    await database().socket_tickets.insert_one(_document(ticket))


async def take_ticket(ticket_hash: str) -> SocketTicket | None:
    """The ticket, deleted by the same command: of many who present it, one gets it. It may have expired."""
    return _value(SocketTicket, await database().socket_tickets.find_one_and_delete({"hash": ticket_hash}))


# Documents


def _document(value: msgspec.Struct) -> Document:
    fields = msgspec.structs.asdict(value)
    return {"_id": fields.pop("id"), **fields}


def _known(kind: type[_Value], document: Document) -> _Value:
    # Fields that another version of this program has written are left alone, not tripped over.
    return kind(**{name: document["_id" if name == "id" else name] for name in kind.__struct_fields__})


def _value(kind: type[_Value], document: Document | None) -> _Value | None:
    return None if document is None else _known(kind, document)
