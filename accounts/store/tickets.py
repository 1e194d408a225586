"""One-use socket tickets, as documents."""

from datetime import datetime

import msgspec
from bson import ObjectId

from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, value_of
from eloquent.foundation.ids import SessionId, UserId


class SocketTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to open one socket."""

    id: ObjectId
    hash: str
    user_id: UserId
    session_id: SessionId
    expires_at: datetime


async def add_ticket(ticket: SocketTicket) -> None:
    """Write a new ticket."""
    await database().socket_tickets.insert_one(document_of(ticket))


async def take_ticket(ticket_hash: str) -> SocketTicket | None:
    """The ticket, deleted by the same command: of many who present it, one gets it. It may have expired."""
    return value_of(SocketTicket, await database().socket_tickets.find_one_and_delete({"hash": ticket_hash}))
