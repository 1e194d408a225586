"""One-use tickets that open a socket.

A browser cannot send an Authorization header when it opens a websocket, and an access token in the address would end up
in logs. So a signed-in page asks for a ticket and offers it in the handshake; `authentication.identity_of_ticket` takes
it.
"""

import secrets
from datetime import timedelta
from typing import Final

from bson import ObjectId

from accounts import store
from accounts.authentication import Identity
from accounts.tokens import hash_of
from eloquent.foundation.clock import now

TICKET_LIFETIME_S: Final = 30


async def issue_ticket(identity: Identity) -> str:
    """A ticket for one socket of this session within TICKET_LIFETIME_S: 43 characters that fit a subprotocol's name."""
    ticket = secrets.token_urlsafe(32)
    await store.add_ticket(
        store.SocketTicket(
            id=ObjectId(),
            hash=hash_of(ticket),
            user_id=identity.user_id,
            session_id=identity.session_id,
            expires_at=now() + timedelta(seconds=TICKET_LIFETIME_S),
        )
    )
    return ticket
