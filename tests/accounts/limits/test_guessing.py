"""Guessing at an account: strangers are slowed and locked out, its owner is not."""

import asyncio
import itertools
from typing import Any

import httpx
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from bson import ObjectId
from django.core import mail

from accounts import devices, signing_in, throttle
from accounts.audit.actions import Action
from accounts.device_cookie import DEVICE_COOKIE, MOST_ACCOUNTS
from accounts.devices import Device
from accounts.limits import guessing, levels, reaching, slowing
from accounts.mail.delivery import settle_mail
from accounts.models import User
from accounts.passwords import Verdict
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from eloquent.foundation.errors import Throttled
from tests.accounts.conftest import PASSWORD, Person
from tests.accounts.test_staff_sign_in import at_the_door
from tests.accounts.test_throttle import redis_that

WRONG = "a wrong password"
HOME = "192.0.2.44"
_numbers = itertools.count(1)


def another_address() -> str:
    number = next(_numbers)
    return f"198.18.{number // 250}.{number % 250}"


@pytest.fixture(autouse=True)
def _behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests come from the addresses that they say."""
    changed = get_config().model_copy(update={"trusted_proxy_hops": 1})
    monkeypatch.setattr(devices, "get_config", lambda: changed)


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password is compared at once: what is tested is who gets as far as that."""

    async def compared(password: str, stored: str | None) -> Verdict:
        return Verdict(right=stored is not None and password == PASSWORD)

    monkeypatch.setattr(signing_in, "verify_password", compared)


async def try_in(
    http: httpx.AsyncClient, email: str, password: str = WRONG, *, at: str | None = None, **body: Any
) -> httpx.Response:
    headers = {"X-Forwarded-For": at or another_address()}
    return await http.post("/api/v1/auth/login", json={"email": email, "password": password, **body}, headers=headers)


async def strangers_try(http: httpx.AsyncClient, email: str, many: int) -> list[int]:
    """So many wrong guesses, each from an address of its own."""
    return [(await try_in(http, email)).status_code for _ in range(many)]


@pytest_asyncio.fixture
async def ann(http: httpx.AsyncClient) -> Person:
    """Registered at home."""
    body = {"email": f"ann{next(_numbers)}@example.org", "password": PASSWORD}
    answer = await http.post("/api/v1/auth/register", json=body, headers={"X-Forwarded-For": HOME})
    assert answer.status_code == 201, answer.text
    person = Person(http, answer.json())
    person.device_token = answer.json()["device_token"]
    return person


@pytest.mark.usefixtures("quick_passwords")
async def test_strangers_from_everywhere_share_one_count(http: httpx.AsyncClient, ann: Any) -> None:
    assert await strangers_try(http, ann.email, 12) == [401] * 10 + [429] * 2
    refused = await try_in(http, ann.email, PASSWORD)
    assert refused.status_code == 429, "the right password is not told either"
    assert 25 <= int(refused.headers["Retry-After"]) <= 30
    assert refused.json()["code"] == "throttled"


async def test_the_owner_comes_in_while_a_thousand_strangers_guess(
    http: httpx.AsyncClient, ann: Any, quick_passwords: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = levels._now()
    monkeypatch.setattr(levels, "_now", lambda: at)  # in time, tries are forgotten and others let in

    async def guess_on() -> list[int]:
        statuses = await strangers_try(http, ann.email, 50)
        for _ in range(200):  # the rest of a thousand, past HTTP
            try:
                attempt = await guessing.begin(ann.email, Device(another_address()))
                await attempt.failed()
                statuses.append(401)
            except Throttled:
                statuses.append(429)
        return statuses

    guessing_on = [asyncio.create_task(guess_on()) for _ in range(4)]
    came_in = []
    while not all(task.done() for task in guessing_on):
        came_in += [
            (await try_in(http, ann.email, PASSWORD, at=HOME)).status_code,
            (await try_in(http, ann.email, PASSWORD, device_token=ann.device_token)).status_code,
        ]
        await asyncio.wait(guessing_on, timeout=0.05)
    statuses = [status for task in guessing_on for status in task.result()]
    assert (statuses.count(401), statuses.count(429)) == (10, 990)
    assert set(came_in) == {200}
    assert len(came_in) >= 4


@pytest.mark.parametrize("where", ["known address", "strangers", "known device"])
async def test_of_a_hundred_at_once_exactly_so_many_are_let_try(
    http: httpx.AsyncClient, ann: Any, quick_passwords: None, where: str
) -> None:
    options = {
        "known address": {"at": HOME},
        "strangers": {},
        "known device": {"at": HOME, "device_token": ann.device_token},
    }[where]
    answers = await asyncio.gather(*(try_in(http, ann.email, **options) for _ in range(100)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (10, 90)


@pytest.mark.usefixtures("quick_passwords")
async def test_an_email_without_an_account_is_slowed_in_the_same_words(http: httpx.AsyncClient, ann: Any) -> None:
    async def seen(email: str) -> list[Any]:
        answers = [await try_in(http, email) for _ in range(12)]
        problems = [answer.json() | {"request_id": ""} for answer in answers]
        waits = [problem.pop("retry_after_s", 0) for problem in problems]
        assert waits[:10] == [0] * 10
        assert all(20 < wait <= 30.1 for wait in waits[10:])
        names = [sorted(answer.headers) for answer in answers]
        return [*zip([answer.status_code for answer in answers], problems, names, strict=True)]

    assert await seen(ann.email) == await seen("nobody@example.org")


@pytest.mark.usefixtures("quick_passwords")
async def test_each_known_place_is_slowed_by_itself(http: httpx.AsyncClient, ann: Any) -> None:
    at_home = [(await try_in(http, ann.email, at=HOME)).status_code for _ in range(11)]
    assert at_home == [401] * 10 + [429]
    by_device = [(await try_in(http, ann.email, device_token=ann.device_token)).status_code for _ in range(11)]
    assert by_device == [401] * 10 + [429]
    assert (await try_in(http, ann.email, PASSWORD)).status_code == 200, "strangers have not tried"
    assert (await try_in(http, ann.email, PASSWORD, at=HOME)).status_code == 429


@pytest.mark.usefixtures("quick_passwords")
async def test_a_right_password_forgives_a_known_place_and_not_the_strangers(http: httpx.AsyncClient, ann: Any) -> None:
    for _ in range(2):
        assert [(await try_in(http, ann.email, at=HOME)).status_code for _ in range(9)] == [401] * 9
        assert (await try_in(http, ann.email, PASSWORD, at=HOME)).status_code == 200
    assert await strangers_try(http, ann.email, 9) == [401] * 9
    for _ in range(3):
        assert (await try_in(http, ann.email, PASSWORD)).status_code == 200
    assert await strangers_try(http, ann.email, 2) == [401, 429]


@pytest.mark.usefixtures("quick_passwords")
async def test_a_token_of_another_account_makes_nobody_known(http: httpx.AsyncClient, ann: Any) -> None:
    bob = {"email": "bob@example.org", "password": PASSWORD}
    token = (await http.post("/api/v1/auth/register", json=bob)).json()["device_token"]
    await strangers_try(http, ann.email, 10)
    assert (await try_in(http, ann.email, PASSWORD, device_token=token)).status_code == 429
    assert (await try_in(http, ann.email, PASSWORD, device_token=ann.device_token)).status_code == 200


@pytest.mark.usefixtures("quick_passwords")
async def test_an_address_is_known_for_thirty_days_and_with_it_its_ipv6_home(http: httpx.AsyncClient, ann: Any) -> None:
    assert (await try_in(http, ann.email, PASSWORD, at="2001:db8:1:2::1")).status_code == 200
    await strangers_try(http, ann.email, 10)
    assert (await try_in(http, ann.email, at="2001:db8:1:2:ffff::9")).status_code == 401
    assert (await try_in(http, ann.email, at="2001:db8:1:3::1")).status_code == 429
    assert (await try_in(http, ann.email, at=f"::ffff:{HOME}")).status_code == 401
    await database().sessions.update_many({}, {"$set": {"last_seen_at": guessing.now() - guessing.ADDRESS_KNOWN_FOR}})
    assert (await try_in(http, ann.email, PASSWORD, at=HOME)).status_code == 429


@pytest.mark.usefixtures("quick_passwords")
async def test_one_address_has_a_limit_for_all_accounts_which_a_known_device_does_not_meet(
    http: httpx.AsyncClient, ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "SIGN_IN_BY_ADDRESS", throttle.Limit("sign-in-address", 3, 300))
    statuses = [(await try_in(http, f"n{number}@example.org", at=HOME)).status_code for number in range(4)]
    assert statuses == [401, 401, 401, 429]
    assert (await try_in(http, ann.email, PASSWORD, at=HOME)).status_code == 429
    assert (await try_in(http, ann.email, PASSWORD, at=HOME, device_token=ann.device_token)).status_code == 200


async def test_a_browser_keeps_its_tokens_in_a_cookie_that_no_script_reads(
    http: httpx.AsyncClient, server: str, ann: Any
) -> None:
    page = {"Origin": server, "X-Forwarded-For": HOME}
    body = {"email": ann.email, "password": PASSWORD, "cookie": True}
    answer = await http.post("/api/v1/auth/login", json=body, headers=page)
    assert "device_token" not in answer.json()
    [cookie] = [each for each in answer.headers.get_list("set-cookie") if each.startswith(DEVICE_COOKIE)]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    for number in range(MOST_ACCOUNTS + 1):
        other = {"email": f"other{number}@example.org", "password": PASSWORD, "cookie": True}
        assert (await http.post("/api/v1/auth/register", json=other, headers=page)).status_code == 201
    assert len(http.cookies[DEVICE_COOKIE].split(".")) == MOST_ACCOUNTS
    async with httpx.AsyncClient(base_url=server, timeout=30) as elsewhere:
        await strangers_try(elsewhere, "other5@example.org", 10)
        assert (await try_in(elsewhere, "other5@example.org", PASSWORD)).status_code == 429
    assert (await try_in(http, "other5@example.org", PASSWORD)).status_code == 200, "the cookie says who knows it"


async def test_both_doors_count_together_and_know_the_same_devices(http: httpx.AsyncClient) -> None:
    email = "staff@example.org"
    await sync_to_async(User.objects.create_user)(email=email, password=PASSWORD, is_staff=True)
    http.headers["X-Forwarded-For"] = HOME
    assert (await at_the_door(http, email, PASSWORD)).status_code == 302
    cookie = http.cookies[DEVICE_COOKIE]
    http.cookies.clear()
    http.headers["X-Forwarded-For"] = another_address()
    for _ in range(5):
        assert (await at_the_door(http, email, WRONG)).status_code == 200
    assert await strangers_try(http, email, 6) == [401] * 5 + [429]
    assert "Too many attempts" in (await at_the_door(http, email, PASSWORD)).text
    http.cookies.set(DEVICE_COOKIE, cookie)
    assert (await at_the_door(http, email, PASSWORD)).status_code == 302
    assert (await try_in(http, email, PASSWORD)).status_code == 200


async def test_who_is_signed_in_does_not_guess_the_password_on_and_on(http: httpx.AsyncClient, ann: Any) -> None:
    attempts = [await guessing.begin_again(ObjectId(ann.id), Device(HOME)) for _ in range(9)]
    change = {"current_password": WRONG, "new_password": "another good password"}
    right = {**change, "current_password": PASSWORD}
    tried = [(await ann.ask("POST", "auth/password/change", json=body)).status_code for body in (change, change, right)]
    assert tried == [422, 429, 429]
    assert await guessing.begin_again(ObjectId(ann.id), Device(HOME), "code"), "each has its own count"
    await attempts[0].succeeded()
    assert (await ann.ask("POST", "auth/password/change", json=right)).status_code == 200


async def lock(email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers try as often as they may until they are locked out."""
    at = {"now": levels._now()}
    monkeypatch.setattr(levels, "_now", lambda: at["now"])
    for _ in range(slowing.LOCKED):
        try:
            attempt = await guessing.begin(email, Device(another_address()))
        except Throttled as refusal:
            at["now"] += refusal.extra["retry_after_s"]
            attempt = await guessing.begin(email, Device(another_address()))
        await attempt.failed()
    await guessing.settle_guessing()


async def locks() -> int:
    return await database().audit.count_documents({"action": Action.SIGN_IN_LOCKED.value})


def told_of_guesses() -> list[Any]:
    """The letters about a lock; there are others, about the email that is to be confirmed."""
    return [letter for letter in mail.outbox if letter.subject == "Somebody may be guessing your password"]


async def test_a_lock_is_recorded_and_the_owner_is_told_once_a_day(ann: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await lock(ann.email, monkeypatch)
    assert await locks() == 0, "fifteen tries, and time in which some are forgotten"
    await lock(ann.email, monkeypatch)
    assert await locks() == 1
    await settle_mail()
    [letter] = told_of_guesses()
    assert letter.to == [ann.email]
    assert "&" not in letter.body
    with pytest.raises(Throttled) as refused:
        await guessing.begin(ann.email, Device(another_address()))
    assert 800 < refused.value.extra["retry_after_s"] <= 900.1
    await lock(ann.email, monkeypatch)
    await settle_mail()
    assert len(told_of_guesses()) == 1
    assert await locks() == 1


async def test_a_lock_of_an_email_without_an_account_is_told_to_nobody(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await lock("nobody@example.org", monkeypatch)
    await settle_mail()
    assert mail.outbox == []
    assert await locks() == 0


@pytest.mark.parametrize("behaves", ["refuses", "hangs"])
async def test_without_redis_guesses_are_counted_all_the_same(
    http: httpx.AsyncClient, ann: Any, quick_passwords: None, monkeypatch: pytest.MonkeyPatch, behaves: str
) -> None:
    assert await strangers_try(http, ann.email, 5) == [401] * 5
    monkeypatch.setattr(reaching, "ANSWER_S", 0.3)
    async with redis_that(behaves) as away:
        monkeypatch.setattr(reaching, "redis_client", lambda: away)
        async with asyncio.timeout(5):
            assert await strangers_try(http, ann.email, 12) == [401] * 10 + [429] * 2
            assert (await try_in(http, ann.email, PASSWORD, at=HOME)).status_code == 200
