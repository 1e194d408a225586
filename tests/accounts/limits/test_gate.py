"""Limits of requests over HTTP: by user, key, address and route; what callers are told; and what it costs."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from redis.asyncio.connection import AbstractConnection

from accounts import devices
from accounts.limits import gate, policies
from eloquent.api import openapi_document
from eloquent.foundation.config import get_config
from eloquent.middleware import _EXPOSED_HEADERS
from eloquent.urls import urlpatterns
from tests.accounts.conftest import Person
from tests.accounts.test_api_keys import key_of
from tests.people import open_socket

ITEM = re.compile(r'"([a-z-]+)"((?:;[a-z]+=\d+)*)')


def structured(value: str) -> dict[str, dict[str, int]]:
    """A list of strings with integer parameters (RFC 9651); nothing else passes."""
    items = {}
    for text in value.split(", "):
        found = ITEM.fullmatch(text)
        assert found, value
        items[found[1]] = {name: int(number) for name, number in re.findall(r";([a-z]+)=(\d+)", found[2])}
    return items


def told(answer: httpx.Response) -> dict[str, dict[str, int]]:
    """What an answer says of limits: by policy, `q`, `w`, `r` and `t`."""
    policy, standing = (structured(answer.headers[name]) for name in ("RateLimit-Policy", "RateLimit"))
    assert list(policy) == list(standing)
    assert all(standing[name]["t"] <= 2 * policy[name]["w"] for name in policy)
    return {name: policy[name] | standing[name] for name in policy}


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Changes settings, and begins anew with them."""

    def limit(**settings: int) -> None:
        changed = get_config().model_copy(update=settings)
        monkeypatch.setattr(gate, "get_config", lambda: changed)
        monkeypatch.setattr(devices, "get_config", lambda: changed)
        gate.forget_all()

    return limit


@pytest.fixture(autouse=True)
def _long_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """No window ends in the middle of a test."""
    monkeypatch.setattr(gate, "_now", lambda: 1_800_000_030.0)


async def test_every_answer_to_a_user_says_where_he_stands(a_person: Any) -> None:
    person = await a_person()
    first, second = [told(await person.ask("GET", path)) for path in ("me", "conversations")]
    most = get_config().rate_limit_user_per_minute
    assert first == {"user": {"q": most, "w": 60, "r": most - 1, "t": 30}}
    assert second["user"]["r"] == most - 2
    missing = await person.ask("GET", f"conversations/{'0' * 24}")
    assert (missing.status_code, told(missing)["user"]["r"]) == (404, most - 3)


async def test_a_user_who_asks_too_often_is_refused_and_others_are_not(a_person: Any, limited: Any) -> None:
    ann, bob = await a_person(), await a_person()
    limited(rate_limit_user_per_minute=3)
    assert [(await ann.ask("GET", "me")).status_code for _ in range(3)] == [200] * 3
    refused = await ann.ask("GET", "conversations")
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "throttled"
    standing = told(refused)["user"]
    assert standing["r"] == 0
    assert int(refused.headers["Retry-After"]) == standing["t"] > 30
    assert (await bob.ask("GET", "me")).status_code == 200


async def test_after_the_time_that_a_refusal_names_one_is_let_in(
    a_person: Any, limited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await a_person()
    limited(rate_limit_user_per_minute=3)
    for _ in range(3):
        await ann.ask("GET", "me")
    wait_s = int((await ann.ask("GET", "me")).headers["Retry-After"])
    monkeypatch.setattr(gate, "_now", lambda: 1_800_000_030.0 + wait_s - 1.1)
    assert (await ann.ask("GET", "me")).status_code == 429
    monkeypatch.setattr(gate, "_now", lambda: 1_800_000_030.0 + wait_s)
    assert (await ann.ask("GET", "me")).status_code == 200


async def test_routes_with_a_limit_of_their_own_tell_both(
    a_person: Any, limited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "SEARCHES", policies.Policy("searches", 2, 60))
    limited()
    ann, bob = await a_person(), await a_person()
    first, _, refused = [await ann.ask("GET", "search?q=tea") for _ in range(3)]
    most = get_config().rate_limit_user_per_minute
    assert told(first) == {
        "user": {"q": most, "w": 60, "r": most - 1, "t": 30},
        "searches": {"q": 2, "w": 60, "r": 1, "t": 30},
    }
    assert refused.status_code == 429
    assert told(refused)["searches"]["r"] == 0
    assert told(refused)["user"]["r"] == most - 3
    assert int(refused.headers["Retry-After"]) == told(refused)["searches"]["t"]
    assert (await ann.ask("GET", "me")).status_code == 200
    assert (await bob.ask("GET", "search?q=tea")).status_code == 200


async def test_all_ways_to_ask_for_an_answer_share_one_limit(server: str, a_person: Any, limited: Any) -> None:
    ann = await a_person()
    limited(rate_limit_runs_per_minute=2)
    nowhere = "0" * 24
    ask = {"parts": [{"type": "text", "text": "Hi"}]}
    assert (await ann.ask("POST", f"conversations/{nowhere}/runs", json=ask)).status_code == 404
    assert (await ann.ask("POST", f"messages/{nowhere}/regenerate", json={})).status_code == 404
    assert (await ann.ask("POST", f"messages/{nowhere}/edit", json=ask)).status_code == 429
    ticket = (await ann.ask("POST", "auth/socket-ticket")).json()["ticket"]
    async with open_socket(server, ticket) as socket:
        await socket.ask("r1", nowhere, "Hi")
        assert (await socket.frame())["problem"]["code"] == "throttled"
        await socket.send(type="resume", requestId="r2", id=nowhere)
        assert (await socket.frame())["type"] == "no-active"


async def test_frames_are_counted_as_requests_are(server: str, a_person: Any, limited: Any) -> None:
    ann = await a_person()
    limited(rate_limit_user_per_minute=2)
    ticket = (await ann.ask("POST", "auth/socket-ticket")).json()["ticket"]
    async with open_socket(server, ticket) as socket:
        await socket.send(type="resume", requestId="r1", id="0" * 24)
        assert (await socket.frame())["type"] == "no-active"
        await socket.send(type="resume", requestId="r2", id="0" * 24)
        assert (await socket.frame())["problem"]["code"] == "throttled"
    assert (await ann.ask("GET", "me")).status_code == 429


async def test_a_program_is_counted_by_its_key_and_told_in_openais_words_too(
    http: httpx.AsyncClient, a_person: Any, limited: Any
) -> None:
    person = await a_person()
    key, other = await key_of(person), await key_of(person)
    limited(rate_limit_key_per_minute=2)

    async def ask(one: dict[str, Any]) -> httpx.Response:
        return await http.get("/v1/models", headers={"Authorization": f"Bearer {one['secret']}"})

    answer = await ask(key)
    assert told(answer) == {"key": {"q": 2, "w": 60, "r": 1, "t": 30}}
    assert {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit")} == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-reset-requests": "30s",
    }
    await ask(key)
    refused = await ask(key)
    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-reset-requests"] == f"{refused.headers['Retry-After']}s"
    assert (await ask(other)).status_code == 200


async def test_strangers_are_counted_by_their_address_wherever_they_knock(
    http: httpx.AsyncClient, a_person: Any, limited: Any
) -> None:
    person = await a_person()
    limited(rate_limit_address_per_minute=6, trusted_proxy_hops=1)

    async def knock(method: str, path: str, address: str = "203.0.113.9", **headers: str) -> httpx.Response:
        return await http.request(method, path, headers={"X-Forwarded-For": address, **headers})

    bad_token = {"Authorization": "Bearer a.b.c"}
    statuses = [
        (await knock("GET", "/.well-known/jwks.json")).status_code,
        (await knock("GET", "/api/v1/nowhere")).status_code,
        (await knock("GET", "/api/v1/me", **bad_token)).status_code,
        (await knock("GET", "/v1/models", Authorization="Bearer sk-none")).status_code,
        (await knock("PUT", "/api/v1/me", **bad_token)).status_code,
        (await knock("POST", "/api/v1/auth/logout")).status_code,
    ]
    assert statuses == [200, 404, 401, 401, 405, 401]
    for method, path in (("GET", "/api/v1/openapi.json"), ("GET", "/api/v1/me"), ("GET", "/api/v1/nowhere")):
        refused = await knock(method, path, **bad_token)
        assert refused.status_code == 429, path
        assert told(refused) == {"address": {"q": 6, "w": 60, "r": 0, "t": told(refused)["address"]["t"]}}
    assert (await knock("GET", "/v1/models", Authorization="Bearer sk-none")).json()["error"]["code"] == "throttled"
    signed = {"Authorization": f"Bearer {person.access_token}"}
    assert (await knock("GET", "/api/v1/me", **signed)).status_code == 200, "who is signed in is no stranger"
    assert (await knock("GET", "/healthz")).status_code == 200
    assert (await knock("GET", "/.well-known/jwks.json", "203.0.113.10")).status_code == 200


async def test_refreshing_has_a_limit_of_its_own(
    http: httpx.AsyncClient, limited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refreshes = {("POST", "api/v1/auth/refresh"): policies.Policy("refreshes", 1, 60)}
    monkeypatch.setattr(policies, "OF_ADDRESSES", refreshes)
    limited()
    answers = [await http.post("/api/v1/auth/refresh", json={"refresh_token": "x"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 429]
    assert list(told(answers[1])) == ["refreshes"]
    assert (await http.get("/.well-known/jwks.json")).status_code == 200


@pytest.mark.parametrize(
    ("hops", "header", "counted_as"),
    [
        (0, "203.0.113.1", "127.0.0.1"),
        (1, "203.0.113.1", "203.0.113.1"),
        (1, "198.51.100.7, 203.0.113.1", "203.0.113.1"),
        (2, "198.51.100.7, 203.0.113.1, 192.0.2.1", "203.0.113.1"),
        (3, "198.51.100.7, 203.0.113.1, 192.0.2.1, 192.0.2.2", "203.0.113.1"),
        (2, "203.0.113.1", "127.0.0.1"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.1", "203.0.113.1"),
        (1, "[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"),
    ],
)
async def test_the_address_is_the_clients_at_every_door(
    http: httpx.AsyncClient, server: str, limited: Any, hops: int, header: str, counted_as: str
) -> None:
    limited(trusted_proxy_hops=hops)
    await http.get("/.well-known/jwks.json", headers={"X-Forwarded-For": header})
    assert list(gate._gate().address._windows) == [counted_as]
    async with open_socket(server, "no-ticket", additional_headers={"X-Forwarded-For": header}) as socket:
        assert await socket.close_code() == 4401
    assert list(gate._gate().sockets._windows) == [counted_as]


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        (None, [], ""),
        (("", 0), [], ""),
        (None, [(b"x-forwarded-for", b"203.0.113.1")], "203.0.113.1"),
        (("10.0.0.1", 1), [(b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"203.0.113.1")], "203.0.113.1"),
    ],
)
def test_a_sockets_address_behind_a_proxy_also_through_a_unix_socket(
    limited: Any, peer: Any, headers: Any, address: str
) -> None:
    limited(trusted_proxy_hops=1)
    assert devices.address_of_scope({"client": peer, "headers": headers}) == address


async def test_sockets_are_limited_by_address(server: str, limited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "SOCKETS", policies.Policy("sockets", 2, 60))
    limited()
    codes = []
    for _ in range(3):
        async with open_socket(server, "no-ticket") as socket:
            codes.append(await socket.close_code())
    assert codes == [4401, 4401, 1013]


async def test_browsers_of_allowed_frontends_may_read_what_is_told(http: httpx.AsyncClient, a_person: Any) -> None:
    answer = await (await a_person()).ask("GET", "me")
    told_names = {name for name in answer.headers if "ratelimit" in name}
    assert told_names == {"ratelimit", "ratelimit-policy"}
    assert told_names <= set(_EXPOSED_HEADERS.split(", "))
    assert "x-ratelimit-remaining-requests" in _EXPOSED_HEADERS


def test_the_document_describes_what_is_told() -> None:
    document = openapi_document()
    assert set(document["components"]["headers"]) == {"RateLimit", "RateLimit-Policy"}
    for methods in document["paths"].values():
        for operation in methods.values():
            assert "429" in operation["responses"]
            good = [answer for status, answer in operation["responses"].items() if status < "400"]
            assert good
            assert all({"RateLimit", "RateLimit-Policy"} <= answer["headers"].keys() for answer in good)


def test_every_route_of_the_table_is_one_that_there_is() -> None:
    def routes(patterns: Any, before: str = "") -> Any:
        for pattern in patterns:
            route = before + str(pattern.pattern)
            yield from routes(pattern.url_patterns, route) if hasattr(pattern, "url_patterns") else [route]

    there = set(routes(urlpatterns[:1]))
    named = [*policies.of_users(policies.UPLOADS), *policies.OF_ADDRESSES]
    assert {route for _, route in named} <= there
    methods = {
        (method.upper(), re.sub(r"\{(\w+)\}", r"<\1>", path).removeprefix("/"))
        for path, operations in openapi_document()["paths"].items()
        for method in operations
    }
    assert set(named) <= methods


async def test_a_signed_in_request_asks_redis_nothing(a_person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    person: Person = await a_person()
    key = await key_of(person)
    await gate.share_now()
    sent: list[Any] = []
    send = AbstractConnection.send_packed_command

    async def noted(self: Any, command: Any, *arguments: Any, **options: Any) -> None:
        sent.append((asyncio.current_task().get_name(), command))  # type: ignore[union-attr]
        await send(self, command, *arguments, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", noted)
    for _ in range(20):
        assert (await person.ask("GET", "me")).status_code == 200
        assert (await person.ask("GET", "search?q=tea")).status_code == 200
        signed = {"Authorization": f"Bearer {key['secret']}"}
        assert (await person._http.get("/v1/models", headers=signed)).status_code == 200
    assert [command for name, command in sent if name.startswith("Task-")] == [], "requests send nothing"
    assert {name for name, _ in sent} <= {"limits", "StreamReader.run"}
    assert sum(name == "limits" for name, _ in sent) < 20, "and beside them it is one command for many"
