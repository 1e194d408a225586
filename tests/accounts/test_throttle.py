"""How often one may try, counted in Redis or, while it is away, in the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from accounts import throttle, windows
from accounts.limits import reaching
from accounts.windows import ProcessWindows, SharedWindows
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import Throttled
from eloquent.foundation.redis import redis_client
from tests.accounts.conftest import PASSWORD

LIMIT = throttle.Limit("test", 3, 60)


async def guess(http: httpx.AsyncClient, email: str, **headers: str) -> httpx.Response:
    """One sign-in with a wrong password."""
    body = {"email": email, "password": "a wrong password"}
    return await http.post("/api/v1/auth/login", json=body, headers=headers)


async def test_guessing_a_password_ends_in_429_with_the_time_to_wait(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    answers = [await guess(http, person.email) for _ in range(10)]
    assert [answer.status_code for answer in answers] == [401] * 10
    refused = await guess(http, person.email.upper())
    assert refused.status_code == 429
    assert refused.json()["code"] == "throttled"
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 300
    assert 0 < refused.json()["retry_after_s"] <= 301
    # The right password does not help either: a guesser must not learn that it was right.
    right = {"email": person.email, "password": PASSWORD}
    assert (await http.post("/api/v1/auth/login", json=right)).status_code == 429
    assert (await guess(http, "somebody.else@example.org")).status_code == 401


async def test_guessing_at_once_gets_no_more_tries_than_guessing_in_turn(
    http: httpx.AsyncClient, a_person: Any
) -> None:
    person = await a_person()
    answers = await asyncio.gather(*(guess(http, person.email) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 10


async def test_the_right_password_starts_the_count_anew(http: httpx.AsyncClient, a_person: Any) -> None:
    person = await a_person()
    for _ in range(2):
        for _ in range(9):
            assert (await guess(http, person.email)).status_code == 401
        await person.sign_in_again()


async def test_trying_many_emails_from_one_address_ends_too(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "SIGN_IN_BY_ADDRESS", throttle.Limit("sign-in-address", 3, 300))
    answers = [await guess(http, f"number{n}@example.org") for n in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


async def test_a_made_up_forwarding_header_does_not_make_another_address(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "SIGN_IN_BY_ADDRESS", throttle.Limit("sign-in-address", 3, 300))
    answers = [await guess(http, f"n{n}@example.org", **{"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(4)]
    assert answers[-1].status_code == 429
    behind_proxy = get_config().model_copy(update={"trusted_proxy_hops": 1})
    monkeypatch.setattr("accounts.devices.get_config", lambda: behind_proxy)
    answers = [await guess(http, f"m{n}@example.org", **{"X-Forwarded-For": f"x, 203.0.113.{n}"}) for n in range(4)]
    assert [answer.status_code for answer in answers] == [401] * 4


async def test_registering_and_changing_passwords_have_their_limits(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, other = await a_person(), await a_person()
    for name in ("REGISTER_BY_ADDRESS", "CHANGE_PASSWORD_BY_USER"):
        monkeypatch.setattr(throttle, name, throttle.Limit(f"test-{name}", 1, 300))

    async def statuses(path: str, body: dict[str, str]) -> list[int]:
        return [(await person.ask("POST", path, json=body)).status_code for _ in range(2)]

    change = {"current_password": "a wrong password", "new_password": "another good password"}
    assert await statuses("auth/password/change", change) == [422, 429]
    assert (await other.ask("POST", "auth/password/change", json=change)).status_code == 422
    assert await statuses("auth/register", {"email": person.email, "password": PASSWORD}) == [409, 429]


@asynccontextmanager
async def redis_that(behaves: str) -> AsyncIterator[Redis]:
    """A client of a Redis that is not there ("refuses"), or that takes connections and never answers ("hangs")."""
    release = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if behaves == "refuses":
        server.close()
        await server.wait_closed()
    client = Redis(host="127.0.0.1", port=port)
    try:
        yield client
    finally:
        release.set()
        server.close()
        await client.aclose()


@pytest.mark.django_db
@pytest.mark.parametrize("behaves", ["refuses", "hangs"])
async def test_without_redis_attempts_are_still_counted(
    behaves: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reaching, "ANSWER_S", 0.3)
    async with redis_that(behaves) as client:
        monkeypatch.setattr(reaching, "redis_client", lambda: client)
        for _ in range(3):
            await throttle.spend(LIMIT, "me")
        with pytest.raises(Throttled):
            await throttle.spend(LIMIT, "me")
        await throttle.spend(LIMIT, "you")
        await throttle.forgive(LIMIT, "me")
        await throttle.spend(LIMIT, "me")
    said = [record.getMessage() for record in caplog.records if record.name == reaching.__name__]
    assert len(said) == 1, "one line, not one for each attempt"
    assert "Redis is away" in said[0]


@pytest.mark.django_db
async def test_signing_in_goes_on_while_redis_is_away(
    http: httpx.AsyncClient, a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await a_person()
    async with redis_that("refuses") as client:
        monkeypatch.setattr(reaching, "redis_client", lambda: client)
        assert (await guess(http, person.email)).status_code == 401
        await person.sign_in_again()


@pytest.mark.django_db
async def test_two_processes_share_one_count() -> None:
    client = redis_client()
    assert client is not None
    one, another = SharedWindows(client), SharedWindows(client)
    assert [await kind.take("k", amount=3, seconds=60) for kind in (one, another, one)] == [0.0] * 3
    assert 0 < await another.take("k", amount=3, seconds=60) <= 60
    await one.forget("k", amount=3, seconds=60)
    assert await another.take("k", amount=3, seconds=60) == 0.0


async def test_a_window_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"at": 100.0}
    monkeypatch.setattr(windows.time, "monotonic", lambda: clock["at"])
    counted = ProcessWindows()
    for at in (100.0, 104.0):
        clock["at"] = at
        assert await counted.take("k", amount=2, seconds=10) == 0.0
    clock["at"] = 106.0
    assert await counted.take("k", amount=2, seconds=10) == 4.0
    assert await counted.take("other", amount=2, seconds=10) == 0.0
    clock["at"] = 110.0
    assert await counted.take("k", amount=2, seconds=10) == 0.0
    assert await counted.take("k", amount=2, seconds=10) == 4.0


async def test_made_up_keys_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MAX_KEYS", 10)
    counted = ProcessWindows()
    assert await counted.take("busy", amount=1, seconds=60) == 0.0
    for number in range(50):
        await counted.take(str(number), amount=1, seconds=60)
        assert await counted.take("busy", amount=1, seconds=60) > 0, "a key in use is not the one to go"
    assert len(counted._taken) == 10
