"""Somebody who has used everything, whose words can be told from anybody else's, and somebody else like that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from bson import ObjectId
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.storage import storages

from accounts import throttle
from accounts.models import User
from accounts.personal_data import erasing, exporting
from chat.models import Conversation
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.ids import UserId
from inference.models import Budget, BudgetSpending
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel, ann, model  # noqa: F401 - fixtures
from tests.chat.test_imports import BRANCHED
from tests.people import PASSWORD, Person
from tests.pictures import png

ENOUGH_S = 20


class Someone(Person):
    """A person all of whose texts hold one word, their mark, that no other text has."""

    def __init__(self, server: str, mark: str) -> None:
        super().__init__(server, mark)
        self.mark = mark
        self.http.headers["User-Agent"] = f"Browser of {mark}"

    @property
    def id(self) -> UserId:
        return ObjectId(self.tokens["user"]["id"])

    async def live(self, language_model: LanguageModel) -> None:
        """Use everything there is."""
        await self.ok("PATCH", "/me", json={"name": f"Name of {self.mark}"})
        self.conversation_id = await self.conversation(system_prompt=f"System of {self.mark}")
        language_model.script = saying(f"Answer to {self.mark}")
        await self.attach(png(3, 2), f"picture of {self.mark}.png")
        text = await self.attach(f"Text of {self.mark}".encode(), f"text of {self.mark}.txt")
        parts = [{"type": "text", "text": f"Question of {self.mark}"}, {"type": "file", "id": text["id"]}]
        run = await self.ok("POST", f"/conversations/{self.conversation_id}/runs", 202, json={"parts": parts})
        await self.at_rest(run["id"])
        self.run_id, self.message_id = run["id"], run["message_id"]
        feedback = {"rating": "up", "comment": f"Comment of {self.mark}"}
        await self.ok("PUT", f"/messages/{run['message_id']}/feedback", json=feedback)
        await self.ok(
            "POST",
            "/me/api-keys",
            201,
            json={"current_password": PASSWORD, "name": f"Key of {self.mark}", "scopes": ["chat"]},
        )
        await self._import()
        await sync_to_async(self._at_the_desk)()

    async def _import(self) -> None:
        told = orjson.loads(orjson.dumps(BRANCHED).replace(b"Of tea", f"Title of {self.mark}".encode()))
        told["id"] = told["conversation_id"] = f"import of {self.mark}"
        raw = orjson.dumps([told])
        made = await self.ok("POST", "/imports", 201, json={"name": f"file of {self.mark}.json", "size": len(raw)})
        path = f"/imports/{made['id']}"
        await self.ok("PUT", f"{path}/content", params={"offset": 0}, content=raw)

        async def is_complete() -> bool:
            return bool((await self.ok("GET", path))["status"] == "complete")

        await until(is_complete)
        # One more, of which a piece has arrived.
        made = await self.ok("POST", "/imports", 201, json={"name": f"rest of {self.mark}.json", "size": 1000})
        piece = f"piece of {self.mark}".encode()
        await self.ok("PUT", f"/imports/{made['id']}/content", params={"offset": 0}, content=piece)

    def _at_the_desk(self) -> None:
        """What staff's pages write of somebody, who is staff as well."""
        user = User.objects.get(pk=self.id)
        user.is_staff = True
        user.save()
        user.groups.add(Group.objects.get_or_create(name="Readers")[0])
        session = SessionStore()
        session["_auth_user_id"] = str(self.id)
        session.create()
        staff, _ = User.objects.get_or_create(email="staff@example.org", defaults={"is_staff": True})
        for about in (user, Conversation.objects.filter(user=user).first()):
            LogEntry.objects.create(
                user=staff,
                content_type=ContentType.objects.get_for_model(type(about)),
                object_id=str(about.pk),
                object_repr=f"{about} of {self.mark}",
                action_flag=CHANGE,
                change_message=f"Changed {self.mark}.",
            )
        LogEntry.objects.create(user=user, object_id="1", object_repr="-", action_flag=CHANGE)
        budget = Budget.objects.create(name=f"Budget of {self.mark}", user=user, limit=10**9)
        at = now()
        BudgetSpending.objects.create(
            id=f"{budget.pk}:{user.pk}:{at:%Y-%m-%d}",
            budget=budget,
            user=user,
            starts_at=at,
            resets_at=at,
            expires_at=at + timedelta(days=40),
        )


async def until(is_so: Any) -> None:
    """Return when it is so."""
    async with asyncio.timeout(ENOUGH_S):
        while not await is_so():  # noqa: ASYNC110 - what is looked at has no event
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for requests of a second ago, of which there are none in a test."""
    throttle.forget_all()
    monkeypatch.setattr(erasing, "SETTLES_AFTER_S", 0)
    monkeypatch.setattr(exporting, "TELL_EVERY_S", 0.05)


@asynccontextmanager
async def somebody(server: str, mark: str, language_model: LanguageModel) -> AsyncIterator[Someone]:
    """A new user who has used everything."""
    # Files of other tests are not taken away between tests.
    async with Someone(server, f"{mark}{uuid4().hex[:8]}") as person:
        await person.live(language_model)
        yield person


@pytest_asyncio.fixture
async def zora(server: str, model: LanguageModel) -> AsyncIterator[Someone]:  # noqa: F811
    """Who is to be erased, or exported."""
    async with somebody(server, "zoraquist", model) as person:
        yield person


@pytest_asyncio.fixture
async def yann(server: str, model: LanguageModel) -> AsyncIterator[Someone]:  # noqa: F811
    """Somebody else, of whom nothing may be touched."""
    async with somebody(server, "yanniquel", model) as person:
        yield person


async def asked(person: Person, status: int = 202) -> Any:
    """Ask for the own erasure."""
    return await person.ok("POST", "/me/erasure", status, json={"current_password": PASSWORD})


async def receipt_of(person: Person, token: str) -> Any:
    """The receipt, which needs no sign-in."""
    return await person.ok("GET", f"/erasures/{token}", headers={"Authorization": ""})


async def erased(person: Person, token: str) -> Any:
    """The receipt once the erasure is complete."""

    async def is_complete() -> bool:
        return bool((await receipt_of(person, token))["state"] == "complete")

    await until(is_complete)
    return await receipt_of(person, token)


async def everything() -> dict[str, list[dict[str, Any]]]:
    """Every document of every collection."""
    names = await database().list_collection_names()
    return {name: await database()[name].find({}).sort("_id", 1).to_list() for name in sorted(names)}


def files() -> dict[str, bytes]:
    """Every file of every storage of personal data."""
    found = {}
    for alias in ("attachments", "exports"):
        storage = storages[alias]
        for owner in _listed(storage, "")[0]:
            for name in _listed(storage, owner)[1]:
                with storage.open(f"{owner}/{name}") as file:
                    found[f"{alias}/{owner}/{name}"] = file.read()
    return found


def _listed(storage: Any, path: str) -> tuple[list[str], list[str]]:
    try:
        return storage.listdir(path)
    except FileNotFoundError:
        return [], []


def holding(documents: dict[str, list[dict[str, Any]]], text: str) -> list[tuple[str, Any]]:
    """Which documents hold the text, anywhere in them, in any case; with what they are."""
    wanted = text.lower()
    return [(name, each) for name, found in documents.items() for each in found if wanted in repr(each).lower()]
