"""Erasing an account: what is gone, what stays and why, and that nobody else's is touched."""

from io import StringIO
from pathlib import Path

import httpx
import orjson
import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse

from accounts.mail.delivery import settle_mail
from accounts.models import User
from accounts.personal_data.receipts import is_genuine
from chat.journal.wire import key_of
from eloquent.foundation.database import database
from eloquent.foundation.personal_data import NOBODY, personal_stores
from eloquent.foundation.redis import redis_client
from tests.accounts.personal_data.conftest import Someone, asked, erased, everything, files, holding
from tests.people import PASSWORD, Person


async def test_nothing_of_an_erased_account_is_left_but_what_the_register_keeps(zora: Someone, yann: Someone) -> None:
    before, files_before = await everything(), files()
    assert {name for name, _ in holding(before, zora.mark)} >= {
        "users", "sessions", "api_keys", "conversations", "messages", "imports", "import_chunks", "attachments",
        "django_admin_log", "budgets", "audit",
    }  # fmt: skip
    receipt = await erased(zora, (await asked(zora))["receipt"])
    after, files_after = await everything(), files()

    assert holding(after, zora.mark) == []
    assert [name for name, content in files_after.items() if zora.mark.encode() in content] == []
    assert [name for name in files_after if str(zora.id) in name] == []
    kept = {model for place in personal_stores() for model in place.models if place.treatment != "deleted"}
    named = {name for name, _ in holding(after, str(zora.id))}
    assert named <= {"audit", "django_admin_log", "erasures"}, "a number that leads nowhere; and until the last sweep"
    signing_in = {"SocketTicket", "SignInChallenge", "OpenidAttempt", "OpenidResult"}
    for_minutes = {f"accounts.{name}" for name in signing_in}
    assert kept == {"accounts.AuditEntry", "accounts.Erasure", "inference.UsageLine"} | for_minutes
    # What Django keeps of a browser in the console says whose it is in a signed text.
    keys = [[each["session_key"] for each in documents["django_session"]] for documents in (before, after)]
    [gone] = set(keys[0]) - set(keys[1])
    assert next(place for place in receipt["places"] if place["name"] == "console_sessions")["count"] == 1
    assert gone

    # Not a byte of anybody else's has changed.
    assert files_after.keys() == {name for name in files_before if str(zora.id) not in name}
    for name, documents in before.items():
        theirs = [each for each in documents if yann.mark in repr(each).lower() or str(yann.id) in repr(each)]
        assert [each for each in theirs if each not in after[name]] == [], name


async def test_nothing_says_whom_staff_had_invited(server: str) -> None:
    def invite() -> int:
        staff = User.objects.create(email="host@example.com", is_staff=True, is_superuser=True)
        browser = Client()
        browser.force_login(staff)
        form = {"email": "wanda.the.guest@example.org", "days": "3"}
        return browser.post(reverse("admin:accounts_invitation_add"), form).status_code

    assert await sync_to_async(invite)() == 200
    await settle_mail()
    async with Person(server, "wanda.the.guest") as guest:
        assert {name for name, _ in holding(await everything(), guest.email)} >= {"users", "invitations"}
        await erased(guest, (await asked(guest))["receipt"])
        assert holding(await everything(), guest.email) == []


async def test_the_ledger_keeps_its_amounts_without_the_user(zora: Someone) -> None:
    before = await database()["usage"].find({"user_id": zora.id}).to_list()
    assert before
    await erased(zora, (await asked(zora))["receipt"])
    after = await database()["usage"].find({"_id": {"$in": [line["_id"] for line in before]}}).to_list()
    assert [{**line, "user_id": NOBODY} for line in before] == after


async def test_the_record_says_who_was_erased_before_private_parts_go(zora: Someone) -> None:
    await erased(zora, (await asked(zora))["receipt"])
    entries = await database()["audit"].find({"subject_id": zora.id}).sort("number", 1).to_list()
    assert [entry["action"] for entry in entries][-2:] == ["account.erasure_asked", "account.erased"]
    assert [entry["private"] for entry in entries if entry["private"]] == []
    digests = {entry["private_digest"] for entry in entries}
    assert len(digests) > 1, "there was something to be taken out"


async def test_the_account_is_closed_at_once(zora: Someone) -> None:
    key = await zora.ok(
        "POST", "/me/api-keys", 201, json={"current_password": PASSWORD, "name": "Late", "scopes": ["models"]}
    )
    await asked(zora)
    assert (await zora.ok("GET", "/me", 401))["code"] == "not_signed_in"
    credentials = {"email": zora.email, "password": PASSWORD}
    assert (await zora.http.post("/auth/login", json=credentials)).status_code == 401
    async with httpx.AsyncClient(base_url=zora.server, timeout=30) as program:
        answer = await program.get("/v1/models", headers={"Authorization": f"Bearer {key['secret']}"})
    assert answer.status_code == 401


async def test_a_receipt_is_signed_and_says_nothing_of_the_person(zora: Someone) -> None:
    token = (await asked(zora))["receipt"]
    receipt = await erased(zora, token)
    assert receipt["state"] == "complete"
    assert is_genuine(receipt)
    places = {place["name"]: place for place in receipt["places"]}
    assert (places["messages"]["treatment"], places["messages"]["count"]) == ("deleted", 6)
    assert (places["conversations"]["count"], places["user"]["count"]) == (2, 1)
    assert places["usage"]["treatment"] == "anonymised"
    assert "Books" in places["usage"]["because"]
    assert places["attachments"]["count"] == places["attachment_files"]["count"] == 2
    for word in (zora.mark, str(zora.id), zora.email, token):
        assert word not in str(receipt)
    for changed in (
        {**receipt, "finished_at": receipt["asked_at"]},
        {**receipt, "places": receipt["places"][1:]},
        {**receipt, "signature": None},
        {**receipt, "signature": {**receipt["signature"], "value": "0" * 64}},
    ):
        assert not is_genuine(changed)


async def test_a_receipt_is_for_who_has_its_token(zora: Someone) -> None:
    erasure = await asked(zora)
    for token in (erasure["id"], str(ObjectId()), "x", erasure["receipt"][:-1], erasure["receipt"].swapcase()):
        assert (await zora.ok("GET", f"/erasures/{token}", 404))["code"] == "not_found"


async def test_another_account_with_the_same_email_is_a_new_one(zora: Someone) -> None:
    taken = {"email": zora.email, "password": PASSWORD}
    assert (await zora.http.post("/auth/register", json=taken)).status_code == 409
    await erased(zora, (await asked(zora))["receipt"])
    async with Person(zora.server, zora.mark) as again:
        assert again.tokens["user"]["id"] != str(zora.id)
        assert (await again.ok("GET", "/conversations"))["items"] == []


async def test_staff_tell_a_receipt_that_is_ours_from_one_that_was_changed(zora: Someone, tmp_path: Path) -> None:
    receipt = await erased(zora, (await asked(zora))["receipt"])
    file, said = tmp_path / "receipt.json", StringIO()
    file.write_bytes(orjson.dumps(receipt, option=orjson.OPT_INDENT_2))
    await sync_to_async(call_command)("erasure", "verify", str(file), stdout=said)
    assert said.getvalue().startswith(f"Genuine: erasure {receipt['id']}")
    for changed in (b"{}", b"[]", b"x", orjson.dumps({**receipt, "by_staff": True})):
        file.write_bytes(changed)
        with pytest.raises(CommandError):
            await sync_to_async(call_command)("erasure", "verify", str(file))


async def test_an_erased_answers_journal_is_gone_from_redis(zora: Someone) -> None:
    redis = redis_client()
    assert redis is not None
    assert await redis.exists(key_of(ObjectId(zora.run_id)))
    await erased(zora, (await asked(zora))["receipt"])
    held = [key async for key in redis.scan_iter("*")]
    assert key_of(ObjectId(zora.run_id)) not in held
    assert [key for key in held if zora.mark.encode() in key] == []
