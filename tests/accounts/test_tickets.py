"""One-use socket tickets."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from accounts.authentication import Identity, identity_of_ticket, may_stay
from accounts.tokens import RefreshToken
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.errors import NotSignedIn
from tests.accounts.conftest import Person


async def ticket_of(person: Person) -> str:
    """A new ticket of the person's session."""
    answer = await person.ask("POST", "auth/socket-ticket")
    assert answer.status_code == 201
    assert answer.json()["expires_in"] == 30
    return answer.json()["ticket"]


def identity_of(person: Person) -> Identity:
    """Who the person's tokens stand for."""
    return Identity(ObjectId(person.id), RefreshToken.parse(person.refresh_token).session_id)


async def test_a_ticket_lets_its_owner_in_once(a_person: Any) -> None:
    person = await a_person()
    ticket = await ticket_of(person)
    found = await asyncio.gather(*(identity_of_ticket(ticket) for _ in range(5)), return_exceptions=True)
    assert [one for one in found if not isinstance(one, NotSignedIn)] == [identity_of(person)]


async def test_a_ticket_is_not_stored_in_clear(a_person: Any) -> None:
    ticket = await ticket_of(await a_person())
    assert ticket not in repr(await database().socket_tickets.find_one())


async def test_a_late_ticket_lets_nobody_in(a_person: Any) -> None:
    person = await a_person()
    ticket = await ticket_of(person)
    stored = await database().socket_tickets.find_one()
    assert timedelta(seconds=25) < stored["expires_at"] - now() <= timedelta(seconds=30)
    await database().socket_tickets.update_one({"_id": stored["_id"]}, {"$set": {"expires_at": now()}})
    with pytest.raises(NotSignedIn):
        await identity_of_ticket(ticket)
    assert await identity_of_ticket(await ticket_of(person)) == identity_of(person)


async def test_a_ticket_of_an_ended_session_lets_nobody_in(a_person: Any) -> None:
    person = await a_person()
    ticket = await ticket_of(person)
    assert await may_stay(identity_of(person))
    assert (await person.ask("POST", "auth/logout")).status_code == 204
    with pytest.raises(NotSignedIn):
        await identity_of_ticket(ticket)
    assert not await may_stay(identity_of(person))


@pytest.mark.django_db
@pytest.mark.parametrize("ticket", ["", "x", "A" * 43, "\ud800", "a" * 10_000])
async def test_what_is_no_ticket_lets_nobody_in(ticket: str) -> None:
    with pytest.raises(NotSignedIn):
        await identity_of_ticket(ticket)
