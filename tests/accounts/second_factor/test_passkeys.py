"""Passkeys, by real ceremonies of a software authenticator: made, shown, and shown wrongly."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from bson import ObjectId
from django.core import mail

from accounts import throttle
from accounts.mail.delivery import settle_mail
from accounts.second_factor import factors
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD
from tests.accounts.second_factor.conftest import Clock, Owner
from tests.passkeys import UP, UV, Authenticator, b64


async def question(http: httpx.AsyncClient, challenge: str | None = None) -> dict[str, Any]:
    """What a passkey is to sign."""
    answer = await http.post("/api/v1/auth/passkey/options", json={"challenge": challenge})
    assert answer.status_code == 200, answer.text
    options: dict[str, Any] = answer.json()["options"]
    return options


async def alone(http: httpx.AsyncClient, passkey: dict[str, Any]) -> httpx.Response:
    return await http.post("/api/v1/auth/passkey", json={"passkey": passkey})


@pytest.fixture
async def keyed(somebody: Any, authenticator: Authenticator) -> Owner:
    """Somebody with a passkey and no app."""
    owner: Owner = await somebody()
    owner.recovery_codes = (await owner.add_passkey(authenticator))["recovery_codes"]
    return owner


async def test_a_passkey_is_a_second_factor(
    http: httpx.AsyncClient, keyed: Owner, authenticator: Authenticator
) -> None:
    assert len(keyed.recovery_codes) == 10
    first = await keyed.log_in()
    assert (first.status_code, first.json()["methods"]) == (202, ["passkey", "recovery_code"])
    challenge = first.json()["challenge"]
    options = await question(http, challenge)
    assert options["userVerification"] == "preferred"
    assert [each["id"] for each in options["allowCredentials"]] == [b64(authenticator.credentials[0].id)]
    assert (await keyed.answer(challenge, passkey=authenticator.get(options, flags=UP))).status_code == 200
    [listed] = (await keyed.ask("GET", "me/passkeys")).json()["items"]
    assert listed["last_used_at"] is not None
    assert listed["suspected_at"] is None


async def test_a_passkey_that_verified_its_user_signs_in_alone(
    http: httpx.AsyncClient, keyed: Owner, authenticator: Authenticator
) -> None:
    options = await question(http)
    assert options["userVerification"] == "required"
    assert not options.get("allowCredentials")
    answer = await alone(http, authenticator.get(options))
    assert answer.status_code == 200
    assert answer.json()["user"]["email"] == keyed.email
    unverified = await alone(http, authenticator.get(await question(http), flags=UP))
    assert (unverified.status_code, unverified.json()["code"]) == (422, "passkey_refused")


async def test_what_was_signed_is_good_once(
    http: httpx.AsyncClient, keyed: Owner, authenticator: Authenticator
) -> None:
    options = await question(http)
    assert (await alone(http, authenticator.get(options))).status_code == 200
    assert (await alone(http, authenticator.get(options))).json()["code"] == "passkey_refused"


async def test_what_is_to_be_signed_expires(
    http: httpx.AsyncClient, keyed: Owner, authenticator: Authenticator
) -> None:
    options = await question(http)
    past = {"$set": {"expires_at": now() - timedelta(milliseconds=1)}}
    await database().passkey_challenges.update_many({}, past)
    assert (await alone(http, authenticator.get(options))).json()["code"] == "passkey_refused"


async def test_what_was_signed_elsewhere_or_otherwise_is_refused(
    http: httpx.AsyncClient, keyed: Owner, authenticator: Authenticator
) -> None:
    wrong: list[dict[str, Any]] = [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:1"},
        {"origin": 7},
        {"cross_origin": True},
        {"domain": "evil.example"},
        {"type": "webauthn.create"},
        {"flags": 0},
        {"flags": UV},
        {"handle": b"somebody else"},
        {"handle": bytes(12)},
    ]
    for changes in wrong:
        for challenge in (None, await keyed.challenge()):
            passkey = authenticator.get(await question(http, challenge), **changes)
            refused = await (keyed.answer(challenge, passkey=passkey) if challenge else alone(http, passkey))
            assert (refused.status_code, refused.json()["code"]) == (422, "passkey_refused"), changes
        throttle.forget_all()
    assert (await alone(http, authenticator.get(await question(http)))).status_code == 200


async def test_a_challenge_of_one_ceremony_serves_no_other(
    http: httpx.AsyncClient, keyed: Owner, somebody: Any, authenticator: Authenticator
) -> None:
    first, second = await keyed.challenge(), await keyed.challenge()
    # Of the second step, used to sign in alone; the other way round; and of another challenge of the same user.
    for_first = await question(http, first)
    assert (await alone(http, authenticator.get(for_first))).json()["code"] == "passkey_refused"
    passkey = authenticator.get(await question(http))
    assert (await keyed.answer(first, passkey=passkey)).json()["code"] == "passkey_refused"
    passkey = authenticator.get(await question(http, second))
    assert (await keyed.answer(first, passkey=passkey)).json()["code"] == "passkey_refused"
    passkey = authenticator.get(await question(http, first))
    assert (await keyed.answer(first, passkey=passkey)).status_code == 200


async def test_the_passkey_of_another_user_is_no_second_factor(
    http: httpx.AsyncClient, keyed: Owner, somebody: Any, server: str
) -> None:
    other, device = await somebody(), Authenticator(server)
    await other.add_passkey(device)
    challenge = await keyed.challenge()
    passkey = device.get(await question(http, challenge))
    assert (await keyed.answer(challenge, passkey=passkey)).json()["code"] == "passkey_refused"
    theirs = await other.challenge()
    assert (await other.answer(theirs, passkey=device.get(await question(http, theirs)))).status_code == 200


async def test_a_signature_of_another_key_is_refused(
    http: httpx.AsyncClient, keyed: Owner, somebody: Any, authenticator: Authenticator, server: str
) -> None:
    forger = Authenticator(server)
    await (await somebody()).add_passkey(forger)
    forger.credentials[0].id = authenticator.credentials[0].id
    forger.credentials[0].user_handle = authenticator.credentials[0].user_handle
    assert (await alone(http, forger.get(await question(http)))).json()["code"] == "passkey_refused"
    assert (await alone(http, authenticator.get(await question(http)))).status_code == 200


async def test_a_counter_that_goes_backwards_is_refused_recorded_and_told(
    http: httpx.AsyncClient, keyed: Owner, authenticator: Authenticator
) -> None:
    await settle_mail()
    mail.outbox.clear()
    assert (await alone(http, authenticator.get(await question(http), count=10))).status_code == 200
    for count in (10, 9, 0):
        refused = await alone(http, authenticator.get(await question(http), count=count))
        assert refused.json()["code"] == "passkey_refused"
        assert "copied" in refused.json()["detail"]
    [listed] = (await keyed.ask("GET", "me/passkeys")).json()["items"]
    assert listed["suspected_at"] is not None
    entry = await database().audit.find_one({"action": "second_factor.passkey_cloned"})
    assert entry["subject_id"] == ObjectId(keyed.id)
    await settle_mail()
    assert [letter.subject for letter in mail.outbox] == ["A passkey of your Eloquent AI account may have been copied"]
    assert (await alone(http, authenticator.get(await question(http), count=11))).status_code == 200


async def test_a_passkey_that_does_not_count_is_good_again_and_again(
    http: httpx.AsyncClient, somebody: Any, server: str
) -> None:
    device = Authenticator(server, counts=False)
    await (await somebody()).add_passkey(device)
    for _ in range(3):
        assert (await alone(http, device.get(await question(http)))).status_code == 200


async def test_a_deactivated_owner_is_refused(
    http: httpx.AsyncClient, keyed: Owner, authenticator: Authenticator
) -> None:
    await database().users.update_one({"_id": ObjectId(keyed.id)}, {"$set": {"is_active": False}})
    assert (await alone(http, authenticator.get(await question(http)))).json()["code"] == "passkey_refused"


async def test_a_passkey_is_made_for_the_session_that_asked(
    keyed: Owner, somebody: Any, authenticator: Authenticator, server: str
) -> None:
    other = await somebody()
    device = Authenticator(server)
    options = (await other.change("POST", "me/passkeys/options", 200))["options"]
    stolen = {"passkey": device.create(options), "name": "Mine"}
    assert (await keyed.ask("POST", "me/passkeys", json=stolen)).json()["code"] == "passkey_refused"
    options = (await keyed.change("POST", "me/passkeys/options", 200))["options"]
    assert [each["id"] for each in options["excludeCredentials"]] == [b64(authenticator.credentials[0].id)]
    assert options["authenticatorSelection"]["residentKey"] == "preferred"
    for changes in ({"origin": "https://evil.example"}, {"domain": "evil.example"}, {"type": "webauthn.get"}):
        options = (await keyed.change("POST", "me/passkeys/options", 200))["options"]
        body = {"passkey": device.create(options, **changes), "name": "Mine"}
        assert (await keyed.ask("POST", "me/passkeys", json=body)).json()["code"] == "passkey_refused"
    # A credential id that belongs to somebody is not taken over.
    options = (await other.change("POST", "me/passkeys/options", 200))["options"]
    made = device.create(options)
    assert (await other.ask("POST", "me/passkeys", json={"passkey": made, "name": "Mine"})).status_code == 201
    again = (await keyed.change("POST", "me/passkeys/options", 200))["options"]
    taken = {"passkey": device.create(again, id=device.credentials[-1].id), "name": "Mine"}
    assert (await keyed.ask("POST", "me/passkeys", json=taken)).json()["code"] == "passkey_refused"
    assert len((await keyed.ask("GET", "me/passkeys")).json()["items"]) == 1


async def test_passkeys_are_listed_renamed_and_deleted(
    http: httpx.AsyncClient, keyed: Owner, authenticator: Authenticator
) -> None:
    made = await keyed.add_passkey(authenticator, "Phone")
    assert made["recovery_codes"] == []
    path = f"me/passkeys/{made['id']}"
    renamed = await keyed.ask("PATCH", path, json={"name": "  My phone "})
    assert renamed.json()["name"] == "My phone"
    for name in ("", " ", "x" * 81, "two\nlines"):
        assert (await keyed.ask("PATCH", path, json={"name": name})).status_code == 422
    listed = (await keyed.ask("GET", "me/passkeys")).json()["items"]
    assert [each["name"] for each in listed] == ["My phone", "Laptop"]
    assert set(listed[0]) == {"id", "name", "created_at", "last_used_at", "backed_up", "suspected_at"}
    assert (await keyed.ask("DELETE", path, json={})).json()["code"] == "wrong_password"
    await keyed.change("DELETE", path, 204)
    await keyed.change("DELETE", path, 404)
    assert (await alone(http, authenticator.get(await question(http)))).json()["code"] == "passkey_refused"
    await keyed.change("DELETE", f"me/passkeys/{listed[1]['id']}", 204)
    assert (await keyed.ask("GET", "me/second-factor")).json()["recovery_codes_left"] == 0
    assert (await keyed.log_in()).status_code == 200


async def test_with_an_app_a_passkey_needs_its_code_to_come_and_to_go(
    owner: Owner, clock: Clock, authenticator: Authenticator
) -> None:
    body = {"current_password": PASSWORD}
    assert (await owner.ask("POST", "me/passkeys/options", json=body)).json()["code"] == "wrong_code"
    made = await owner.add_passkey(authenticator, code=owner.app.code())
    clock.go(1)
    path = f"me/passkeys/{made['id']}"
    assert (await owner.ask("DELETE", path, json=body)).json()["code"] == "wrong_code"
    assert (await owner.log_in()).json()["methods"] == ["passkey", "totp", "recovery_code"]
    await owner.change("DELETE", path, 204, code=owner.app.code())
    assert (await owner.ask("GET", "me/second-factor")).json()["recovery_codes_left"] == 10


async def test_a_user_has_at_most_so_many_passkeys(
    keyed: Owner, authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accounts.second_factor import changes

    options = (await keyed.change("POST", "me/passkeys/options", 200))["options"]
    monkeypatch.setattr(changes, "MOST_PASSKEYS", 1)
    assert (await keyed.change("POST", "me/passkeys/options", 409))["code"] == "too_many_passkeys"
    body = {"passkey": authenticator.create(options), "name": "One more"}
    assert (await keyed.ask("POST", "me/passkeys", json=body)).json()["code"] == "too_many_passkeys"
    assert factors.MOST_PASSKEYS == 20


async def test_garbage_is_refused_in_words(http: httpx.AsyncClient, keyed: Owner, authenticator: Authenticator) -> None:
    good = authenticator.get(await question(http))
    response = good["response"]
    for changed in (
        {"clientDataJSON": ""},
        {"clientDataJSON": b64(b"[]")},
        {"clientDataJSON": b64(b"\xff")},
        {"clientDataJSON": b64(b'{"type":"webauthn.get","challenge":7,"origin":"x"}')},
        {"authenticatorData": "", "clientDataJSON": response["clientDataJSON"]},
    ):
        answer = await alone(http, {**good, "response": {**response, **changed}})
        assert (answer.status_code, answer.json()["code"]) == (422, "passkey_refused")
    for changed in ({"clientDataJSON": "é"}, {"signature": "x" * 20_000}, {"signature": None}):
        answer = await alone(http, {**good, "response": {**response, **changed}})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    options = (await keyed.change("POST", "me/passkeys/options", 200))["options"]
    made = authenticator.create(options)
    made["response"]["attestationObject"] = b64(b"\xa3\x63fmt")
    refused = await keyed.ask("POST", "me/passkeys", json={"passkey": made, "name": "x"})
    assert refused.json()["code"] == "passkey_refused"
