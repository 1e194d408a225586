"""Which hosts are served: those of ALLOWED_HOSTS, named once, on every road."""

import asyncio
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.test import override_settings

from eloquent.asgi import application
from eloquent.foundation.hosts import host_is_served
from tests.front_door.exchange import scope_of
from tests.front_door.raw import read_answer

HOST = "chat.example.org"
ODD = [
    [],  # none at all
    ["evil.example"],
    [HOST, "evil.example"],
    [HOST, HOST],  # twice the same is twice
    [f"{HOST},evil.example"],
    [f"evil@{HOST}"],
    [f"{HOST}@evil.example"],
    [f"{HOST}:80:90"],
    [f"{HOST}:port"],
    [f"{HOST}/"],
    [f"{HOST}#"],
    [f"{HOST}?"],
    [f" {HOST}"],
    [f"{HOST}\t"],
    [f"{HOST}\x00"],
    [f"{HOST}é"],
    [f"sub.{HOST}"],
    ["example.org"],
    ["chat.example.orgs"],
    ["0x7f000001"],
    ["[::1"],
    [""],
    [":80"],
    ["a" * 5000],
]
GOOD = [HOST, HOST.upper(), f"{HOST}.", f"{HOST}:8443"]


@pytest.fixture(autouse=True)
def _allowed() -> Iterator[None]:
    with override_settings(ALLOWED_HOSTS=[HOST]):
        yield


async def status_and_body(path: str, hosts: list[str], *more: tuple[str, str]) -> tuple[int, bytes]:
    scope = scope_of("GET", path, more)
    scope["headers"] = [(b"host", host.encode("latin-1")) for host in hosts] + scope["headers"][1:]
    sent: list[dict[str, Any]] = []
    received = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (message := next(received, None)) is None:
            await asyncio.get_running_loop().create_future()
        return message or {}

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(20):
        await application(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize("hosts", ODD, ids=repr)
async def test_an_odd_host_is_refused_on_the_request_road(hosts: list[str]) -> None:
    status, body = await status_and_body("/api/v1/auth/sessions", hosts)
    problem = orjson.loads(body)
    assert (status, problem["code"]) == (400, "bad_request")
    assert problem["detail"] == "The request is for a host that is not served here."
    assert b"evil" not in body


@pytest.mark.parametrize("hosts", [["evil.example"], [HOST, "evil.example"]], ids=repr)
async def test_programs_are_refused_in_their_own_words(hosts: list[str]) -> None:
    status, body = await status_and_body("/v1/models", hosts)
    assert status == 400
    assert orjson.loads(body)["error"]["code"] == "bad_request"


@pytest.mark.parametrize("hosts", [hosts for hosts in ODD if hosts], ids=repr)
async def test_an_odd_host_is_refused_on_the_desk_road(hosts: list[str]) -> None:
    status, body = await status_and_body("/", hosts)
    assert status == 400
    assert b"evil" not in body


@pytest.mark.parametrize("host", GOOD)
@pytest.mark.parametrize(("path", "status"), [("/api/v1/auth/sessions", 401), ("/", 200)])
async def test_a_known_host_is_served_however_it_is_written(host: str, path: str, status: int) -> None:
    assert (await status_and_body(path, [host]))[0] == status


async def test_what_a_proxy_is_said_to_have_been_asked_for_opens_nothing() -> None:
    forwarded = [("X-Forwarded-Host", HOST), ("Forwarded", f"host={HOST}"), ("X-Host", HOST)]
    assert (await status_and_body("/api/v1/auth/sessions", ["evil.example"], *forwarded))[0] == 400
    evil = ("X-Forwarded-Host", "evil.example")
    status, body = await status_and_body("/", [HOST], evil)
    assert status == 200
    assert b"evil" not in body


async def test_a_balancer_may_ask_by_address_whether_we_are_well() -> None:
    assert (await status_and_body("/healthz", ["10.0.0.7:8000"]))[0] == 200


@pytest.mark.parametrize("hosts", [hosts for hosts in ODD if hosts], ids=repr)
@pytest.mark.parametrize("path", ["/ws/chat", "/ws/notices"])
async def test_a_socket_for_an_odd_host_is_refused_before_it_opens(path: str, hosts: list[str]) -> None:
    headers = [(b"host", host.encode("latin-1")) for host in hosts]
    scope = {"type": "websocket", "path": path, "headers": headers, "query_string": b"", "subprotocols": []}
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_a_changed_list_of_hosts_is_heard() -> None:
    headers = [(b"host", HOST.encode())]
    assert host_is_served(headers)
    with override_settings(ALLOWED_HOSTS=["other.example"]):
        assert not host_is_served(headers)
    assert host_is_served(headers)


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://evil.example/api/v1/auth/sessions", HOST, 401),  # the path is taken, the host there never
        ("http://chat.example.org/api/v1/auth/sessions", "evil.example", 400),
        ("//evil.example/api/v1/auth/sessions", HOST, 404),
    ],
)
async def test_a_host_in_the_request_line_counts_for_nothing(server: str, target: str, host: str, status: int) -> None:
    answer = await read_answer(server, f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"evil" not in answer
