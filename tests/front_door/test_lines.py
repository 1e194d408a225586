"""Whose a request was, by its line in the log: an id, an address, and nothing more of a person."""

import json
import logging
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from bson import ObjectId
from django.contrib.auth.hashers import make_password
from django.test import AsyncClient

from accounts.api_key_access import KEY_BEGINS
from accounts.limits import gate
from accounts.models import ApiKey, User
from accounts.tokens import hash_of
from eloquent.foundation.config import get_config
from tests.chat.conftest import ann, bob
from tests.people import Person, open_socket

__all__ = ["ann", "bob"]

Lines = list[dict[str, Any]]
FOREIGN = "https://evil.example"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Changes settings, by their names, for the length of a test."""

    def configure(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        get_config.cache_clear()
        gate.forget_all()

    yield configure
    monkeypatch.undo()
    get_config.cache_clear()
    gate.forget_all()


def told(lines: Lines) -> tuple[Any, ...]:
    """Status, code, user and address of the newest line."""
    return tuple(lines[-1].get(name) for name in ("status", "code", "user", "address"))


async def test_a_line_tells_the_user_and_the_address(ann: Person, lines: Lines) -> None:
    me = (await ann.ok("GET", "/me"))["id"]
    assert told(lines) == (200, None, me, "127.0.0.1")
    assert not any(ann.email in json.dumps(line) for line in lines)
    await ann.http.get("/auth/registration")
    assert told(lines) == (200, None, None, "127.0.0.1")


async def test_a_line_tells_the_key_of_a_program(ann: Person, lines: Lines) -> None:
    user = await User.objects.aget(pk=ObjectId((await ann.ok("GET", "/me"))["id"]))
    secret = f"{KEY_BEGINS}{secrets.token_hex(32)}"
    key = await ApiKey.objects.acreate(user=user, name="Editor", prefix="e", hash=hash_of(secret), scopes=["models"])
    async with httpx.AsyncClient(
        base_url=ann.server, headers={"Authorization": f"Bearer {secret}"}, timeout=30
    ) as program:
        assert (await program.get("/v1/models")).status_code == 200
        assert (told(lines), lines[-1]["key"]) == ((200, None, str(user.pk), "127.0.0.1"), str(key.pk))
        assert (await program.post("/v1/embeddings", json={"model": "m", "input": "a"})).status_code == 403
        assert (told(lines), lines[-1]["key"]) == ((403, "missing_scope", str(user.pk), "127.0.0.1"), str(key.pk))


async def test_a_line_tells_whose_refusal_it_was(
    ann: Person, bob: Person, lines: Lines, configured: Callable[..., None]
) -> None:
    conversation, me = await bob.conversation(), (await ann.ok("GET", "/me"))["id"]
    assert (await ann.http.get(f"/conversations/{conversation}")).status_code == 404
    assert told(lines) == (404, "not_found", me, "127.0.0.1")
    assert (await ann.http.get("/me", headers={"Authorization": "Bearer x"})).status_code == 401
    assert told(lines) == (401, "not_signed_in", None, "127.0.0.1")
    cookie = {"Origin": FOREIGN, "Cookie": "eloquent_refresh=x"}
    assert (await ann.http.post("/auth/refresh", headers=cookie)).status_code == 403
    assert told(lines) == (403, "foreign_origin", None, "127.0.0.1")
    configured(RATE_LIMIT_USER_PER_MINUTE="1")
    assert [(await ann.http.get("/me")).status_code for _ in range(2)] == [200, 429]
    assert told(lines) == (429, "throttled", me, "127.0.0.1")


async def test_the_address_is_the_one_behind_our_proxies(
    ann: Person, lines: Lines, configured: Callable[..., None]
) -> None:
    said = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
    await ann.http.get("/me", headers=said)
    assert lines[-1]["address"] == "127.0.0.1"
    configured(TRUSTED_PROXY_HOPS="1")
    await ann.http.get("/me", headers=said)
    assert lines[-1]["address"] == "203.0.113.7"


async def test_the_consoles_lines_tell_who_it_was(server: str, lines: Lines) -> None:
    del server
    user = await User.objects.acreate(email="root@example.com", password=make_password(None), is_staff=True)
    browser = AsyncClient()
    await browser.aforce_login(user)
    assert (await browser.get("/admin/")).status_code == 200
    assert told(lines) == (200, None, str(user.pk), "127.0.0.1")
    # Nobody is looked up for a page that asks for nobody.
    await browser.get("/account/reset-password")
    assert told(lines) == (200, None, None, "127.0.0.1")


async def test_a_socket_that_is_refused_leaves_a_line(ann: Person, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="chat.sockets")

    def refused() -> list[tuple[str, str]]:
        lines = [record.fields for record in caplog.records if record.getMessage() == "socket refused"]  # type: ignore[attr-defined]
        return [(fields["code"], fields["address"]) for fields in lines]

    async with ann.socket(origin=FOREIGN) as socket:
        await socket.close_code()
    assert refused() == [("foreign_origin", "127.0.0.1")]
    async with open_socket(ann.server, secrets.token_urlsafe(32)) as socket:
        await socket.close_code()
    assert refused()[1:] == [("not_signed_in", "127.0.0.1")]
    # And nothing went wrong when they left.
    async with open_socket(ann.server, secrets.token_urlsafe(32)) as socket:
        await socket.close_code()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
