"""Signed-in devices, as documents."""

from collections.abc import Collection
from datetime import datetime

import msgspec
from bson import ObjectId

from accounts.session_life import longest_life
from accounts.store.documents import Position
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.documents import Document, document_of, known_value_of, value_of
from eloquent.foundation.ids import SessionId, UserId

MOST_LOOKED_AT = 100


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
    country: str = ""
    city: str = ""
    label: str = ""
    signed_in_with: str = ""
    revoked_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """When it ends by itself: unused until `expires_at`, or at the latest when another sign-in is due."""
        return min(self.expires_at, self.created_at + longest_life())


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange of a refresh token: which for which, and the sealed successor."""

    from_hash: str
    to_hash: str
    successor: str
    at: datetime
    expires_at: datetime


async def add_session(session: Session) -> None:
    """Write a new session."""
    await database().sessions.insert_one(document_of(session))


async def session_by_id(session_id: SessionId) -> Session | None:
    """The session, living or not. For those who hold one of its tokens; everyone else names the owner too."""
    return value_of(Session, await database().sessions.find_one({"_id": session_id}))


async def rotate_session(session_id: SessionId, rotation: Rotation) -> bool:
    """Store the next refresh token; False unless `from_hash` was still the current one and nothing ended the session.

    One compare-and-set, so of many who hold the same token exactly one rotates it.
    """
    changed = await database().sessions.update_one(
        {
            "_id": session_id,
            "refresh_hash": rotation.from_hash,
            **_living(rotation.at),
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
        {"_id": session_id, "user_id": owner, **_living(at)},
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
    query: Document = {"user_id": owner, **_living(at)}
    if after is not None:
        # The range on created_at bounds the index scan; the $or breaks ties between sessions of one millisecond.
        query["created_at"] = {**query["created_at"], "$lte": after.created_at}
        query["$or"] = [{"created_at": {"$lt": after.created_at}}, {"_id": {"$lt": after.id}}]
    found = database().sessions.find(query).sort([("created_at", -1), ("_id", -1)]).limit(limit)
    return [known_value_of(Session, document) async for document in found]


async def addresses_used(email: str, *, since: datetime) -> list[str]:
    """Where the sessions of the account with the email were opened that were used since then, of the newest hundred.

    An email without an account is asked for in the same way, so that it cannot be told by the time it takes.
    """
    user = await database().users.find_one({"email": email}, {"_id": 1})
    owner = ObjectId() if user is None else user["_id"]
    query, fields = {"user_id": owner}, {"_id": 0, "ip": 1, "last_seen_at": 1}
    found = database().sessions.find(query, fields).sort([("created_at", -1), ("_id", -1)]).limit(MOST_LOOKED_AT)
    return list({session["ip"] async for session in found if session["ip"] and session["last_seen_at"] >= since})


async def devices_of(owner: UserId, *, but: SessionId, limit: int) -> list[tuple[str, str]]:
    """Address and label of the owner's newest sessions but one, living or not."""
    query: Document = {"user_id": owner, "_id": {"$ne": but}}
    found = database().sessions.find(query, {"_id": 0, "ip": 1, "label": 1})
    newest = found.sort([("created_at", -1), ("_id", -1)]).limit(limit)
    return [(document["ip"], document["label"]) async for document in newest]


async def ended_among(session_ids: Collection[SessionId], *, at: datetime) -> set[SessionId]:
    """Those of the sessions that let nobody in any more; deleted ones are among them.

    Asked every second for everyone who has a socket open: while none has ended, no document is sent.
    """
    living: Document = {"_id": {"$in": list(session_ids)}, **_living(at)}
    if await database().sessions.count_documents(living) == len(session_ids):
        return set()
    return set(session_ids) - {document["_id"] async for document in database().sessions.find(living, {"_id": 1})}


async def note_seen(session_ids: Collection[SessionId], *, at: datetime) -> None:
    """The devices of these sessions are there at this moment."""
    await database().sessions.update_many({"_id": {"$in": list(session_ids)}}, {"$max": {"last_seen_at": at}})


async def token_version_in_force(owner: UserId, session_id: SessionId) -> int | None:
    """The version that an access token of this session must carry right now; None when none lets anyone in.

    None also when the session ended or expired, is not the owner's, or the owner is not active. Two reads of a few
    bytes, by primary key.
    """
    session = await database().sessions.find_one(
        {"_id": session_id}, {"_id": 0, "user_id": 1, "revoked_at": 1, "expires_at": 1, "created_at": 1}
    )
    if session is None or session["user_id"] != owner:
        return None
    at = now()
    if session["revoked_at"] is not None or session["expires_at"] <= at or session["created_at"] + longest_life() <= at:
        return None
    user = await database().users.find_one({"_id": owner}, {"_id": 0, "is_active": 1, "token_version": 1})
    if user is None or not user["is_active"]:
        return None
    version: int = user["token_version"]
    return version


def _living(at: datetime) -> Document:
    """What is true of a session that lets somebody in at this moment."""
    return {"revoked_at": None, "expires_at": {"$gt": at}, "created_at": {"$gt": at - longest_life()}}
