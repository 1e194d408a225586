"""Which device, where and when: as the list of sessions shows it, and as letters and notices tell the owner."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
from bson import ObjectId
from channels.layers import get_channel_layer
from django.core import mail

from accounts import admitted, notices, store, throttle
from accounts.alerts import NEW_ACCOUNT_FOR
from accounts.authentication import Identity
from accounts.devices import city_told, country_told
from accounts.mail.delivery import settle_mail
from accounts.tokens import RefreshToken
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from tests.accounts.conftest import Person

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Behind so many proxies that tell places in these headers."""

    def configure(*headers: str, hops: int = 1) -> None:
        config = get_config().model_copy(update={"trusted_proxy_hops": hops, "place_headers": headers})
        monkeypatch.setattr("accounts.devices.get_config", lambda: config)

    return configure


async def letters(kind: str) -> list[str]:
    """The texts of the letters of this kind that have been sent."""
    await settle_mail()
    subject = {"new_sign_in": "A new sign-in", "session_reused": "A sign-in of yours was ended"}[kind]
    return [str(letter.body) for letter in mail.outbox if letter.subject.startswith(subject)]


async def newest_session(person: Person) -> dict[str, Any]:
    page = (await person.ask("GET", "auth/sessions")).json()
    session: dict[str, Any] = page["items"][0]
    return session


async def age_account(person: Person) -> None:
    """The account is older than a new one."""
    before = now() - NEW_ACCOUNT_FOR - timedelta(seconds=1)
    await database().users.update_one({"_id": ObjectId(person.id)}, {"$set": {"created_at": before}})


async def used_again(person: Person) -> None:
    """The person's first refresh token is used for a third time: somebody has it who should not."""
    owner = Person(person._http, (await person.refresh()).json())
    assert (await owner.refresh()).status_code == 200
    assert (await person.refresh()).status_code == 401


async def test_a_session_says_how_and_where_somebody_signed_in(a_person: Any, proxied: Any) -> None:
    proxied("CloudFront-Viewer-Country", "CloudFront-Viewer-City")
    person = await a_person()
    assert (await newest_session(person))["signed_in_with"] == "registration"
    told = {"CloudFront-Viewer-Country": "CH", "CloudFront-Viewer-City": "Z%C3%BCrich"}
    phone = await person.sign_in_again(**told, **{"X-Forwarded-For": "203.0.113.7", "User-Agent": FIREFOX})
    session = await newest_session(phone)
    shown = {name: session[name] for name in ("ip", "country", "city", "label", "signed_in_with", "current")}
    assert shown == {
        "ip": "203.0.113.7",
        "country": "CH",
        "city": "Zürich",
        "label": "Firefox on Linux",
        "signed_in_with": "password",
        "current": True,
    }


@pytest.mark.parametrize(
    ("headers", "hops", "forwarded"),
    [
        (("CloudFront-Viewer-Country",), 0, "203.0.113.7"),
        (("CloudFront-Viewer-Country",), 1, None),
        (("CloudFront-Viewer-Country",), 2, "203.0.113.7"),
        ((), 1, "203.0.113.7"),
    ],
    ids=["no proxy", "round the proxy", "round one of two", "not configured"],
)
async def test_a_place_is_believed_of_our_own_proxies_alone(
    a_person: Any, proxied: Any, headers: tuple[str, ...], hops: int, forwarded: str | None
) -> None:
    person = await a_person()
    sent = {"CloudFront-Viewer-Country": "CH"} | ({"X-Forwarded-For": forwarded} if forwarded else {})
    proxied(*headers, hops=hops)
    assert (await newest_session(await person.sign_in_again(**sent)))["country"] == ""
    proxied("CloudFront-Viewer-Country", hops=1)
    through = {**sent, "X-Forwarded-For": "203.0.113.7"}
    assert (await newest_session(await person.sign_in_again(**through)))["country"] == "CH"


@pytest.mark.parametrize(
    ("told", "country", "city"),
    [
        ("ch", "CH", "ch"),
        ("", "", ""),
        ("S%C3%A3o Paulo", "", "São Paulo"),
        ("SÃ£o Paulo", "", "São Paulo"),
        ("<b>", "", "<b>"),
        ("Bern\r\nX: y%00\x00", "", "BernX: y"),
        ("x" * 500, "", "x" * 80),
        ("%FF%ud800", "", "\N{REPLACEMENT CHARACTER}%ud800"),
    ],
)
def test_whatever_a_proxy_says_a_place_is_a_short_text(told: str, country: str, city: str) -> None:
    assert country_told(told) == country
    assert city_told(told) == city


async def test_a_device_with_an_open_socket_was_seen_a_moment_ago(a_person: Any) -> None:
    person, other = await a_person(), await a_person()
    ids = [RefreshToken.parse(each.refresh_token).session_id for each in (person, other)]
    before = now() - timedelta(hours=2)
    await database().sessions.update_many({"_id": {"$in": ids}}, {"$set": {"last_seen_at": before}})

    async def leave(_why: admitted.Leaving) -> None:
        raise AssertionError("nobody has to leave")

    with admitted.staying(Identity(ObjectId(person.id), ids[0]), leave):
        await admitted.note_seen()
    seen = {each["_id"]: each["last_seen_at"] async for each in database().sessions.find({"_id": {"$in": ids}})}
    assert now() - seen[ids[0]] < timedelta(minutes=1)
    assert seen[ids[1]] == before


async def test_signing_out_everywhere_ends_this_session_too(a_person: Any, http: httpx.AsyncClient) -> None:
    person, stranger = await a_person(), await a_person()
    phone = await person.sign_in_again()
    assert (await person.ask("DELETE", "auth/sessions", params={"all": "true"})).status_code == 204
    for device in (person, phone):
        assert (await device.ask("GET", "me")).status_code == 401
        assert (await device.refresh()).status_code == 401
    assert (await stranger.ask("GET", "me")).status_code == 200


async def test_a_sign_in_from_a_new_device_or_address_is_told_by_letter_once(a_person: Any, proxied: Any) -> None:
    proxied("X-Country", "X-City")
    person = await a_person()
    home = {"User-Agent": FIREFOX, "X-Forwarded-For": "203.0.113.7"}
    await person.sign_in_again(**home)
    [letter] = await letters("new_sign_in")
    assert "Firefox on Linux" in letter
    assert "203.0.113.7\n" in letter
    await person.sign_in_again(**home)
    assert len(await letters("new_sign_in")) == 1, "seen before"
    await person.sign_in_again(**home | {"User-Agent": CHROME, "X-Country": "CH", "X-City": "Bern & Thun"})
    assert len(await letters("new_sign_in")) == 2
    assert "203.0.113.7 (Bern & Thun, CH)" in (await letters("new_sign_in"))[1]
    await person.sign_in_again(**home | {"X-Forwarded-For": "203.0.113.8"})
    assert len(await letters("new_sign_in")) == 3
    version_6 = {"User-Agent": FIREFOX, "X-Forwarded-For": "2001:db8:1:2::1"}
    await person.sign_in_again(**version_6)
    await person.sign_in_again(**version_6 | {"X-Forwarded-For": "2001:db8:1:2:abcd::9"})
    assert len(await letters("new_sign_in")) == 4, "a network is an address"


async def test_registering_is_no_news_and_another_users_device_is_not_mine(a_person: Any) -> None:
    person = await a_person()
    assert await letters("new_sign_in") == []
    stranger = await a_person()
    await stranger.sign_in_again(**{"User-Agent": FIREFOX})
    await person.sign_in_again(**{"User-Agent": FIREFOX})
    assert len(await letters("new_sign_in")) == 2
    told = [letter.to[0] for letter in mail.outbox if letter.subject.startswith("A new sign-in")]
    assert sorted(told) == sorted([person.email, stranger.email])


async def test_who_comes_back_after_all_sessions_are_forgotten_is_told(a_person: Any) -> None:
    person = await a_person()
    await database().sessions.delete_many({})
    await person.sign_in_again()
    assert await letters("new_sign_in") == [], "the account is a few seconds old"
    await database().sessions.delete_many({})
    await age_account(person)
    await person.sign_in_again()
    assert len(await letters("new_sign_in")) == 1


async def test_letters_about_sign_ins_are_few(a_person: Any, proxied: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    proxied()
    monkeypatch.setattr(throttle, "SIGN_IN_LETTER_BY_USER", throttle.Limit("sign-in-letter", 2, 86400))
    person = await a_person()
    for last in range(4):
        await person.sign_in_again(**{"X-Forwarded-For": f"203.0.113.{last}"})
    assert len(await letters("new_sign_in")) == 2


async def test_an_alert_that_cannot_be_written_lets_the_owner_in(
    a_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo.errors import ServerSelectionTimeoutError

    person = await a_person()

    async def away(*_: object, **__: object) -> None:
        raise ServerSelectionTimeoutError("gone")

    monkeypatch.setattr(store, "devices_of", away)
    assert await person.sign_in_again(**{"User-Agent": FIREFOX})
    monkeypatch.undo()
    monkeypatch.setattr("accounts.alerts.post", away)
    assert await person.sign_in_again(**{"User-Agent": CHROME})


async def test_a_refresh_token_used_again_is_told_by_letter_notice_and_record(a_person: Any) -> None:
    person = await a_person()
    phone = await person.sign_in_again(**{"User-Agent": FIREFOX})
    laptop_id = RefreshToken.parse(person.refresh_token).session_id
    layer = get_channel_layer()
    socket, bystander = await layer.new_channel(), await layer.new_channel()
    await layer.group_add(notices.user_group(ObjectId(person.id)), socket)
    await layer.group_add(notices.user_group(ObjectId()), bystander)
    await used_again(person)
    async with asyncio.timeout(20):
        told = await layer.receive(socket)
    assert told["type"] == "account.told"
    frame = orjson.loads(told["frame"])
    assert (frame["type"], frame["session_id"]) == ("session-reused", str(laptop_id))
    [letter] = await letters("session_reused")
    assert "Python program" in letter
    assert "127.0.0.1" in letter
    assert [letter.to for letter in mail.outbox if letter.subject.startswith("A sign-in of")] == [[person.email]]
    page = (await phone.ask("GET", "me/activity")).json()
    [entry] = [each for each in page["items"] if each["action"] == "session.refresh_token_reused"]
    assert (entry["by"], entry["ip"], entry["device"]) == ("unknown", "127.0.0.1", "Python program")


async def test_of_many_who_use_a_token_again_one_is_told_of(a_person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await a_person()
    owner = Person(person._http, (await person.refresh()).json())
    await owner.refresh()
    together, read = asyncio.Barrier(8), store.session_by_id

    async def read_together(session_id: ObjectId) -> store.Session | None:
        session = await read(session_id)
        await together.wait()
        return session

    monkeypatch.setattr(store, "session_by_id", read_together)
    answers = await asyncio.gather(*(person.refresh() for _ in range(8)))
    assert {answer.status_code for answer in answers} == {401}
    assert len(await letters("session_reused")) == 1
    reused = {"action": "session.refresh_token_reused"}
    assert await database().audit.count_documents(reused) == 1


async def test_of_reuse_a_user_gets_one_letter_an_hour_and_a_record_each_time(a_person: Any) -> None:
    person = await a_person()
    phone, tablet = await person.sign_in_again(), await person.sign_in_again()
    for device in (phone, tablet):
        await used_again(device)
    assert len(await letters("session_reused")) == 1
    assert await database().audit.count_documents({"action": "session.refresh_token_reused"}) == 2
    assert throttle.REUSE_LETTER_BY_USER.seconds == 3600
    assert await person.sign_in_again()


async def test_every_end_of_a_session_is_recorded_with_who_ended_it(a_person: Any, http: httpx.AsyncClient) -> None:
    person = await a_person()
    phone, tablet, watch = [await person.sign_in_again() for _ in range(3)]
    phone_id = RefreshToken.parse(phone.refresh_token).session_id
    tablet_id = RefreshToken.parse(tablet.refresh_token).session_id
    me = ObjectId(person.id)
    assert (await person.ask("DELETE", f"auth/sessions/{phone_id}")).status_code == 204
    assert (await tablet.ask("POST", "auth/logout")).status_code == 204
    assert (await http.post("/api/v1/auth/logout", json={"refresh_token": watch.refresh_token})).status_code == 204
    await person.sign_in_again()
    assert (await person.ask("DELETE", "auth/sessions")).status_code == 204
    assert (await person.ask("DELETE", "auth/sessions")).status_code == 204
    assert (await person.ask("DELETE", "auth/sessions", params={"all": "true"})).status_code == 204
    ends = {"action": {"$in": ["session.ended", "session.signed_out"]}}
    entries = [entry async for entry in database().audit.find(ends).sort("number", 1)]
    assert [(each["action"], each["target"], orjson.loads(each["facts"])) for each in entries] == [
        ("session.ended", f"session:{phone_id}", {}),
        ("session.signed_out", f"session:{tablet_id}", {}),
        ("session.signed_out", f"session:{RefreshToken.parse(watch.refresh_token).session_id}", {}),
        ("session.ended", "", {"many": 1}),
        ("session.ended", "", {"many": 1}),
    ]
    assert {(each["actor_id"], each["subject_id"]) for each in entries} == {(me, me)}
    assert all("127.0.0.1" in each["private"] for each in entries)


async def test_two_tabs_that_refresh_at_once_alarm_nobody(a_person: Any) -> None:
    person = await a_person()
    await person.refresh()
    assert (await person.refresh()).status_code == 200
    assert await letters("session_reused") == []
    assert await database().audit.count_documents({"action": "session.refresh_token_reused"}) == 0
