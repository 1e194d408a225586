"""Setting second factors up and taking them away: by the owner alone, recorded, told by letter."""

from datetime import timedelta
from typing import Any

from bson import ObjectId
from django.contrib.auth.hashers import make_password
from django.core import mail

from accounts.mail.delivery import settle_mail
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from eloquent.foundation.sealing import unseal
from tests.accounts.conftest import PASSWORD
from tests.accounts.second_factor.conftest import App, Clock, Owner
from tests.passkeys import Authenticator

NOTHING = {
    "enabled": False,
    "required": False,
    "totp": None,
    "totp_pending": False,
    "passkeys": [],
    "recovery_codes_left": 0,
}


async def actions_of(owner: Owner) -> list[str]:
    """What is on record of the owner's second factors."""
    found = database().audit.find({"subject_id": ObjectId(owner.id)}).sort("number", 1)
    return [entry["action"] async for entry in found if entry["action"].startswith("second_factor.")]


async def letters() -> list[str]:
    await settle_mail()
    subjects = [letter.subject for letter in mail.outbox]
    mail.outbox.clear()
    return subjects


async def test_an_app_counts_from_its_first_code_on(somebody: Any, clock: Clock) -> None:
    owner: Owner = await somebody()
    mail.outbox.clear()
    assert (await owner.ask("GET", "me/second-factor")).json() == NOTHING
    pending = await owner.change("POST", "me/second-factor/totp", 200)
    assert set(pending) == {"secret", "otpauth_url", "qr_svg", "expires_in"}
    assert pending["secret"] in pending["otpauth_url"]
    assert pending["qr_svg"].startswith("data:image/svg+xml")
    assert (await owner.ask("GET", "me/second-factor")).json() == {**NOTHING, "totp_pending": True}
    assert (await owner.log_in()).status_code == 200
    app = App(pending["secret"], clock)
    wrong = await owner.ask("POST", "me/second-factor/totp/confirm", json={"code": app.wrong_code()})
    assert wrong.json()["code"] == "wrong_code"
    assert (await owner.log_in()).status_code == 200
    confirmed = await owner.ask("POST", "me/second-factor/totp/confirm", json={"code": app.code()})
    assert len(set(confirmed.json()["recovery_codes"])) == 10
    state = (await owner.ask("GET", "me/second-factor")).json()
    assert (state["enabled"], state["totp_pending"], state["recovery_codes_left"]) == (True, False, 10)
    # The first code is used up by having been shown.
    challenge = await owner.challenge()
    assert (await owner.answer(challenge, code=app.code())).json()["code"] == "wrong_code"
    assert await letters() == ["A second factor was added to your Eloquent AI account"]
    assert (await actions_of(owner))[:1] == ["second_factor.added"]


async def test_the_secret_is_sealed_where_it_is_kept(owner: Owner) -> None:
    kept = await database().second_factors.find_one({"user_id": ObjectId(owner.id)})
    assert owner.app.secret not in str(kept)
    assert unseal(kept["totp_secret"], "totp secret").decode() == owner.app.secret
    assert not {code.replace("-", "") for code in owner.recovery_codes} & set(kept["recovery_codes"])


async def test_a_pending_app_is_forgotten_by_another_and_after_a_quarter_of_an_hour(
    somebody: Any, clock: Clock
) -> None:
    owner: Owner = await somebody()
    first = App((await owner.change("POST", "me/second-factor/totp", 200))["secret"], clock)
    second = App((await owner.change("POST", "me/second-factor/totp", 200))["secret"], clock)
    path = "me/second-factor/totp/confirm"
    assert (await owner.ask("POST", path, json={"code": first.code()})).json()["code"] == "wrong_code"
    past = {"$set": {"pending_until": now() - timedelta(seconds=1)}}
    await database().second_factors.update_one({"user_id": ObjectId(owner.id)}, past)
    assert (await owner.ask("POST", path, json={"code": second.code()})).json()["code"] == "nothing_pending"
    await owner.add_app(clock)
    assert (await owner.ask("POST", path, json={"code": owner.app.code()})).json()["code"] == "nothing_pending"
    body = {"current_password": PASSWORD}
    assert (await owner.ask("POST", "me/second-factor/totp", json=body)).json()["code"] == "totp_exists"


async def test_an_app_goes_by_password_and_code_and_the_recovery_codes_with_it(owner: Owner) -> None:
    await letters()
    path = "me/second-factor/totp"
    for body, code in (
        ({"code": owner.app.code()}, "wrong_password"),
        ({"code": owner.app.code(), "current_password": "not the password"}, "wrong_password"),
        ({"current_password": PASSWORD}, "wrong_code"),
        ({"current_password": PASSWORD, "code": owner.app.wrong_code()}, "wrong_code"),
    ):
        refused = await owner.ask("DELETE", path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await owner.ask("GET", "me/second-factor")).json()["enabled"]
    await owner.change("DELETE", path, 204, code=owner.app.code())
    assert (await owner.ask("GET", "me/second-factor")).json() == NOTHING
    assert (await owner.log_in()).status_code == 200
    again = await owner.ask("DELETE", path, json={"current_password": PASSWORD})
    assert again.status_code == 404
    assert (await actions_of(owner))[-1] == "second_factor.removed"
    await settle_mail()
    assert "It was the last one" in mail.outbox[-1].body


async def test_whoever_lost_the_app_takes_it_away_with_a_recovery_code(owner: Owner, clock: Clock) -> None:
    await owner.change("DELETE", "me/second-factor/totp", 204, recovery_code=owner.recovery_codes[0])
    assert (await owner.ask("GET", "me/second-factor")).json() == NOTHING
    # Those that were left are of no use for the app after it.
    old = owner.recovery_codes[1]
    assert old not in await owner.add_app(clock)
    assert (await owner.answer(await owner.challenge(), recovery_code=old)).json()["code"] == "wrong_code"


async def test_new_recovery_codes_end_the_old_ones(owner: Owner) -> None:
    await letters()
    path = "me/second-factor/recovery-codes"
    refused = await owner.ask("POST", path, json={"current_password": PASSWORD})
    assert refused.json()["code"] == "wrong_code"
    made = (await owner.change("POST", path, 200, code=owner.app.code()))["recovery_codes"]
    assert len(set(made) - set(owner.recovery_codes)) == 10
    challenge = await owner.challenge()
    assert (await owner.answer(challenge, recovery_code=owner.recovery_codes[0])).json()["code"] == "wrong_code"
    assert (await owner.answer(challenge, recovery_code=made[0])).status_code == 200
    assert "second_factor.recovery_codes_made" in await actions_of(owner)
    assert (await letters())[0] == "New recovery codes for your Eloquent AI account"


async def test_without_a_second_factor_there_is_nothing_to_recover(somebody: Any) -> None:
    owner: Owner = await somebody()
    assert (await owner.change("POST", "me/second-factor/recovery-codes", 409))["code"] == "no_second_factor"


async def test_an_account_without_a_password_needs_a_fresh_sign_in(somebody: Any, clock: Clock) -> None:
    owner: Owner = await somebody()
    unusable = {"$set": {"password": make_password(None)}}
    await database().users.update_one({"_id": ObjectId(owner.id)}, unusable)
    begun = await owner.ask("POST", "me/second-factor/totp", json={})
    assert begun.status_code == 200
    app = App(begun.json()["secret"], clock)
    assert (await owner.ask("POST", "me/second-factor/totp/confirm", json={"code": app.code()})).status_code == 200
    old = {"$set": {"created_at": now() - timedelta(minutes=10, seconds=1)}}
    await database().sessions.update_many({"user_id": ObjectId(owner.id)}, old)
    clock.go(1)
    # The app's code is a fresh proof, too.
    path = "me/second-factor/recovery-codes"
    assert (await owner.ask("POST", path, json={})).json()["code"] == "wrong_code"
    assert (await owner.ask("POST", path, json={"code": app.code()})).status_code == 200
    clock.go(1)
    assert (await owner.ask("DELETE", "me/second-factor/totp", json={"code": app.code()})).status_code == 204
    refused = await owner.ask("POST", "me/second-factor/totp", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_too_old")


async def test_guessing_the_password_at_the_settings_ends(owner: Owner) -> None:
    body = {"current_password": "not the password"}
    said = [(await owner.ask("POST", "me/passkeys/options", json=body)).json()["code"] for _ in range(11)]
    assert said == ["wrong_password"] * 10 + ["throttled"]


async def test_a_first_factor_ends_no_session_unless_it_is_asked_for(
    somebody: Any, clock: Clock, authenticator: Authenticator
) -> None:
    owner: Owner = await somebody()
    other = await owner.sign_in_again()
    await owner.add_app(clock)
    assert (await other.ask("GET", "me")).status_code == 200
    assert (await other.refresh()).status_code == 200
    options = await owner.change("POST", "me/passkeys/options", 200, code=owner.app.code())
    passkey = authenticator.create(options["options"])
    body = {"passkey": passkey, "name": "Laptop", "end_other_sessions": True}
    assert (await owner.ask("POST", "me/passkeys", json=body)).status_code == 201
    assert (await other.ask("GET", "me")).status_code == 401
    assert (await owner.ask("GET", "me")).status_code == 200
