"""The cases of what the life of an account keeps: links, changes of email, invitations."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
from bson import ObjectId

import accounts.store
from accounts.store import AccountLink, EmailChange, Invitation
from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of, known_value_of
from tests.database.account_cases import LATER, NOW

PEOPLE = [ObjectId() for _ in range(12)]
OWNER = PEOPLE[0]
PURPOSES = ("verify_email", "reset_password")


def _link(owner: ObjectId, digest: str) -> AccountLink:
    return AccountLink(
        id=ObjectId(),
        hash=digest,
        user_id=owner,
        purpose="reset_password",
        email="ann@example.org",
        token_version=3,
        change_id=ObjectId(),
        created_at=NOW,
        expires_at=LATER,
    )


def _change(owner: ObjectId) -> EmailChange:
    return EmailChange(
        id=ObjectId(),
        user_id=owner,
        old_email="ann@example.org",
        new_email="anna@example.org",
        needs_current=False,
        current_confirmed_at=NOW,
        new_confirmed_at=NOW,
        created_at=NOW,
        expires_at=LATER,
    )


def _invitation(number: int) -> Invitation:
    return Invitation(
        id=ObjectId(),
        hash=f"{number:064}",
        email=f"guest{number % 4}@example.org",
        invited_by_id=PEOPLE[number % 12],
        group_id=ObjectId(),
        created_at=NOW,
        expires_at=LATER,
        used_at=NOW if number % 3 else None,
        used_by_id=PEOPLE[number % 5],
    )


LINKS = [_link(person, f"{person}{number}") for person in PEOPLE for number in range(3)]
CHANGES = [_change(person) for person in PEOPLE]
INVITATIONS = [_invitation(number) for number in range(40)]
OPEN = next(each for each in INVITATIONS if each.used_at is None)


async def write(_world: Any) -> None:
    """Everything of this room."""
    await database().account_links.insert_many([document_of(link) for link in LINKS])
    await database().email_changes.insert_many([document_of(change) for change in CHANGES])
    await database().invitations.insert_many([document_of(each) for each in INVITATIONS])


async def _write_change(change: EmailChange) -> None:
    assert await accounts.store.begin_email_change(change)


async def _read_invitation(invitation: Invitation) -> Invitation | None:
    document = await database().invitations.find_one({"_id": invitation.id})
    return None if document is None else known_value_of(Invitation, document)


KINDS: dict[type[msgspec.Struct], tuple[Callable[[Any], Any], Callable[[Any], Awaitable[Any]], Any]] = {
    AccountLink: (lambda _: LINKS[0], accounts.store.add_link, lambda link: accounts.store.link_by_hash(link.hash)),
    EmailChange: (
        lambda _: CHANGES[0],
        _write_change,
        lambda change: accounts.store.email_change_of(change.user_id, at=NOW),
    ),
    Invitation: (lambda _: INVITATIONS[1], accounts.store.add_invitation, _read_invitation),
}

CALLS: dict[str, list[Callable[[Any], Awaitable[Any]]]] = {
    "add_link": [lambda _: accounts.store.add_link(_link(OWNER, "new"))],
    "link_by_hash": [lambda _: accounts.store.link_by_hash(LINKS[0].hash)],
    "take_link": [
        lambda _: accounts.store.take_link(LINKS[0].hash, PURPOSES, at=NOW),
        lambda _: accounts.store.take_link("nobody's", PURPOSES, at=NOW),
    ],
    "remove_links_of": [lambda _: accounts.store.remove_links_of(OWNER, PURPOSES)],
    "begin_email_change": [
        lambda _: accounts.store.begin_email_change(_change(OWNER)),
        lambda _: accounts.store.begin_email_change(_change(ObjectId())),
    ],
    "email_change_of": [lambda _: accounts.store.email_change_of(OWNER, at=NOW)],
    "confirm_email_change": [
        lambda _: accounts.store.confirm_email_change(
            OWNER, CHANGES[0].id, of_new=True, old_email="ann@example.org", at=NOW
        )
    ],
    "remove_email_change_of": [lambda _: accounts.store.remove_email_change_of(OWNER)],
    "erase_invitations_of": [lambda world: accounts.store.erase_invitations_of(world.users[1].id)],
    "count_invitations_of": [lambda world: accounts.store.count_invitations_of(world.owner.id)],
    "add_invitation": [lambda _: accounts.store.add_invitation(_invitation(41))],
    "invitation_by_hash": [lambda _: accounts.store.invitation_by_hash(OPEN.hash)],
    "invitation_for": [lambda _: accounts.store.invitation_for(OPEN.email, at=NOW)],
    "use_invitation": [lambda _: accounts.store.use_invitation(OPEN.id, OWNER, at=NOW)],
    "give_invitation_back": [lambda _: accounts.store.give_invitation_back(INVITATIONS[0].id, PEOPLE[0])],
    "join_group": [lambda world: accounts.store.join_group(world.owner.id, ObjectId())],
    "verify_email": [lambda world: accounts.store.verify_email(world.owner.id, email=world.owner.email, at=NOW)],
    "change_email": [
        lambda world: accounts.store.change_email(
            world.owner.id, old=world.owner.email, new="new@example.org", at=NOW + timedelta(days=1)
        )
    ],
    "reset_password": [
        lambda world: accounts.store.reset_password(
            world.owner.id, email=world.owner.email, token_version=3, new="$argon2$y", proves_email=True, at=NOW
        )
    ],
    "deactivate_user": [lambda world: accounts.store.deactivate_user(world.owner.id)],
    "revoke_api_keys_of": [lambda world: accounts.store.revoke_api_keys_of(world.owner.id, at=NOW)],
}
