"""A bug tells its finder nothing: not on the API, not on a page, not on a socket. The log has it all."""

import json
from typing import Any

import httpx
import orjson
import pytest
from django.test import Client as Browser

from eloquent.foundation.content_security import STILL
from tests.people import Person, open_socket

SECRET = "mongodb://ada:hunter2hunter2@10.1.2.3/eloquent at /srv/eloquent/chat/store.py"
INTERNALS = ("hunter2", "10.1.2.3", "/srv", "RuntimeError", "Traceback", 'File "', ".py", "site-packages")


def broken(*_arguments: Any, **_options: Any) -> Any:
    raise RuntimeError(SECRET)


def nothing_inside(text: str) -> None:
    assert [word for word in INTERNALS if word in text] == []


async def test_on_the_api(server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async with Person(server, "ada") as ada:
        monkeypatch.setattr("chat.conversations.store.list_conversations", broken)
        answer = await ada.http.get("/conversations")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "error")
    assert problem["request_id"] == answer.headers["x-request-id"]
    nothing_inside(answer.text + json.dumps(dict(answer.headers)))
    assert SECRET in caplog.text


async def test_for_programs(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.api_key_access.store", None)
    async with httpx.AsyncClient(base_url=server, timeout=30) as http:
        key = f"sk-eloquent-{'0' * 64}"
        answer = await http.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    nothing_inside(answer.text)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/admin/login/", "/admin/"])
def test_on_a_page(path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("chat.pages.render", broken)
    monkeypatch.setattr("django.contrib.admin.sites.AdminSite.login", broken)
    monkeypatch.setattr("django.contrib.admin.sites.AdminSite.has_permission", broken)
    answer = Browser(raise_request_exception=False).get(path)
    assert (answer.status_code, answer["Content-Security-Policy"]) == (500, STILL)
    assert "Something went wrong here" in answer.content.decode()
    nothing_inside(answer.content.decode() + str(answer.headers))
    assert SECRET in caplog.text


async def test_on_a_socket(server: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async with Person(server, "ada") as ada, ada.socket() as socket:
        monkeypatch.setattr("chat.consumers.ui_runs.start", broken)
        await socket.ask("1", "a-chat", "Hi")
        frame = await socket.frame()
    assert frame["type"] == "error"
    nothing_inside(orjson.dumps(frame).decode())
    assert SECRET in caplog.text


@pytest.mark.parametrize("place", ["chat.sockets.identity_of_ticket", "chat.consumers.frames.wish_of"])
async def test_where_a_socket_itself_breaks(server: str, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    async with Person(server, "ada") as ada:
        ticket = (await ada.ok("POST", "/auth/socket-ticket", 201))["ticket"]
        monkeypatch.setattr(place, broken)
        async with open_socket(server, ticket) as socket:
            if "frames" in place:
                await socket.ask("1", "a-chat", "Hi")
            code = await socket.close_code()
            assert code in (1006, 1011)
            nothing_inside(socket.connection.close_reason or "")


def test_no_page_of_djangos_own_is_ever_shown(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    assert settings.DEBUG is False
    answer = Browser(raise_request_exception=False, headers={"host": "evil.example"}).get("/")
    assert (answer.status_code, answer["Content-Security-Policy"]) == (400, STILL)
    nothing_inside(answer.content.decode())
    assert "evil" not in answer.content.decode()
