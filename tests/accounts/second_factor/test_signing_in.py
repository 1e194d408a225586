"""Signing in in two steps: what is asked of whom, and every way in which an answer is not one."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.core import mail
from pymongo.errors import AutoReconnect

from accounts import devices, signing_in, store, throttle
from accounts.mail.delivery import settle_mail
from accounts.second_factor import challenges, codes
from eloquent.foundation.clock import now
from eloquent.foundation.database import database
from tests.accounts.conftest import PASSWORD, Person
from tests.accounts.second_factor.conftest import Clock, Owner

NEW_PASSWORD = "a better horse battery staple"


async def sessions_of(owner: Owner) -> int:
    return await database().sessions.count_documents({"user_id": (await _user(owner)).id, "revoked_at": None})


async def _user(owner: Owner) -> store.User:
    user = await store.user_by_email(owner.email)
    assert user is not None
    return user


async def letters() -> list[str]:
    """The subjects of what was sent, and nothing of it twice."""
    await settle_mail()
    subjects = [letter.subject for letter in mail.outbox]
    mail.outbox.clear()
    return subjects


async def test_the_right_password_gets_a_challenge_and_the_code_gets_the_grant(owner: Owner) -> None:
    before = await sessions_of(owner)
    first = await owner.log_in()
    assert first.status_code == 202
    assert first.json()["methods"] == ["totp", "recovery_code"]
    assert first.json()["expires_in"] == 300
    assert set(first.json()) == {"challenge", "methods", "expires_in"}
    assert "set-cookie" not in first.headers
    assert await sessions_of(owner) == before
    second = await owner.answer(first.json()["challenge"], code=owner.app.code())
    assert second.status_code == 200
    assert await sessions_of(owner) == before + 1
    there = Person(owner._http, second.json())
    assert (await there.ask("GET", "me")).json()["email"] == owner.email
    assert (await there.refresh()).status_code == 200


async def test_the_cookie_is_set_in_the_second_step_alone(owner: Owner, server: str) -> None:
    headers = {"Origin": server}
    body = {"email": owner.email, "password": PASSWORD, "cookie": True}
    first = await owner._http.post("/api/v1/auth/login", json=body, headers=headers)
    assert "set-cookie" not in first.headers
    answer = {"challenge": first.json()["challenge"], "code": owner.app.code(), "cookie": True}
    foreign = await owner._http.post("/api/v1/auth/second-factor", json=answer)
    assert foreign.json()["code"] == "foreign_origin"
    second = await owner._http.post("/api/v1/auth/second-factor", json=answer, headers=headers)
    assert second.status_code == 200
    assert "eloquent_refresh=" in second.headers["set-cookie"]
    assert "refresh_token" not in second.json() or second.json()["refresh_token"] is None


async def test_nobody_learns_who_has_a_second_factor_before_the_password_is_right(owner: Owner, somebody: Any) -> None:
    other = await somebody()
    answers = [await each.log_in("not the password") for each in (owner, other)]
    assert [answer.status_code for answer in answers] == [401, 401]
    with_factor, without = ({**answer.json(), "request_id": ""} for answer in answers)
    assert with_factor == without


async def test_a_code_is_good_once(owner: Owner, clock: Clock) -> None:
    code = owner.app.code()
    assert (await owner.answer(await owner.challenge(), code=code)).status_code == 200
    again = await owner.answer(await owner.challenge(), code=code)
    assert (again.status_code, again.json()["code"]) == (422, "wrong_code")
    clock.go(1)
    assert (await owner.answer(await owner.challenge(), code=owner.app.code())).status_code == 200


async def test_of_many_who_show_one_code_at_once_one_is_let_in(owner: Owner) -> None:
    waiting = [await owner.challenge() for _ in range(6)]
    code, before = owner.app.code(), await sessions_of(owner)
    answers = await asyncio.gather(*(owner.answer(challenge, code=code) for challenge in waiting))
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 5
    assert await sessions_of(owner) == before + 1


async def test_of_many_who_answer_one_challenge_at_once_one_is_let_in(owner: Owner) -> None:
    challenge, before = await owner.challenge(), await sessions_of(owner)
    answers = await asyncio.gather(
        owner.answer(challenge, code=owner.app.code()),
        *(owner.answer(challenge, recovery_code=code) for code in owner.recovery_codes[:3]),
    )
    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code != 200} == {"challenge_refused"}
    assert await sessions_of(owner) == before + 1


async def test_a_challenge_is_good_once(owner: Owner, clock: Clock) -> None:
    challenge = await owner.challenge()
    assert (await owner.answer(challenge, code=owner.app.code())).status_code == 200
    clock.go(1)
    again = await owner.answer(challenge, code=owner.app.code())
    assert (again.status_code, again.json()["code"]) == (401, "challenge_refused")


async def test_an_old_code_and_one_of_a_clock_that_is_far_off_are_refused(owner: Owner, clock: Clock) -> None:
    clock.go(10)
    challenge = await owner.challenge()
    for fast in (-2, 2, -8):
        assert (await owner.answer(challenge, code=owner.app.code(fast))).json()["code"] == "wrong_code"
    # A clock that is one step slow: let in.
    assert (await owner.answer(challenge, code=owner.app.code(-1))).status_code == 200
    # One that is fast; and what was before it is used up.
    assert (await owner.answer(await owner.challenge(), code=owner.app.code(1))).status_code == 200
    assert (await owner.answer(await owner.challenge(), code=owner.app.code())).json()["code"] == "wrong_code"


async def test_the_code_of_another_user_is_refused(owner: Owner, somebody: Any, clock: Clock) -> None:
    other = await somebody()
    other.recovery_codes = await other.add_app(clock)
    challenge = await owner.challenge()
    assert (await owner.answer(challenge, code=other.app.code())).json()["code"] == "wrong_code"
    refused = await owner.answer(challenge, recovery_code=other.recovery_codes[0])
    assert refused.json()["code"] == "wrong_code"
    assert (await other.answer(await other.challenge(), code=other.app.code())).status_code == 200
    assert (await owner.answer(challenge, code=owner.app.code())).status_code == 200


async def test_a_challenge_expires(owner: Owner) -> None:
    challenge = await owner.challenge()
    past = now() - timedelta(milliseconds=1)
    await database().sign_in_challenges.update_many({}, {"$set": {"expires_at": past}})
    assert (await owner.answer(challenge, code=owner.app.code())).json()["code"] == "challenge_refused"
    assert (await owner.answer(await owner.challenge(), code=owner.app.code())).status_code == 200


async def changed_password(owner: Owner, new: str, current: str = PASSWORD) -> httpx.Response:
    """Set another password, and go on with the session that is left; the answer."""
    proof = {"current_password": current, "recovery_code": owner.recovery_codes.pop()}
    answer = await owner.ask("POST", "auth/password/change", json={**proof, "new_password": new})
    if answer.status_code == 200:
        owner.use(answer.json())
    return answer


async def test_a_change_of_password_ends_what_was_begun_before_it(owner: Owner) -> None:
    begun = await owner.challenge()
    assert (await changed_password(owner, NEW_PASSWORD)).status_code == 200
    assert (await owner.answer(begun, code=owner.app.code())).json()["code"] == "challenge_refused"
    fresh = (await owner.log_in(NEW_PASSWORD)).json()["challenge"]
    assert (await owner.answer(fresh, code=owner.app.code())).status_code == 200


async def test_a_user_who_was_deactivated_between_the_steps_is_refused(owner: Owner) -> None:
    challenge = await owner.challenge()
    await database().users.update_one({"email": owner.email}, {"$set": {"is_active": False}})
    assert (await owner.answer(challenge, code=owner.app.code())).json()["code"] == "challenge_refused"


async def test_five_wrong_codes_end_a_challenge_and_the_owner_is_told_once_a_day(owner: Owner) -> None:
    await letters()
    for _ in range(2):
        challenge = await owner.challenge()
        for _ in range(5):
            assert (await owner.answer(challenge, code=owner.app.wrong_code())).json()["code"] == "wrong_code"
        assert (await owner.answer(challenge, code=owner.app.code())).json()["code"] == "challenge_refused"
    assert await letters() == ["Somebody tries to sign in to your Eloquent AI account"]


async def test_wrong_codes_are_bounded_over_all_challenges_however_many_come_at_once(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [await owner.challenge() for _ in range(4)]
    looked_at: list[str] = []
    matching_step = codes.matching_step

    def counted(secret: str, code: str, **options: Any) -> int | None:
        looked_at.append(code)
        return matching_step(secret, code, **options)

    monkeypatch.setattr(codes, "matching_step", counted)
    wrong = owner.app.wrong_code()
    answers = await asyncio.gather(*(owner.answer(each, code=wrong) for each in waiting for _ in range(5)))
    said = [answer.json()["code"] for answer in answers]
    assert len(looked_at) == 10
    assert (said.count("wrong_code"), said.count("too_many_codes")) == (10, 10)
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 23 * 3600 < int(refused.headers["retry-after"]) <= 24 * 3600
    # The right code is not looked at either: else it would be found by trying on.
    right = await owner.answer(await owner.challenge(), code=owner.app.code())
    assert right.json()["code"] == "too_many_codes"
    # The owner is not locked out: a recovery code lets in at once,
    fresh = await owner.challenge()
    assert (await owner.answer(fresh, recovery_code=owner.recovery_codes[0])).status_code == 200
    # and a new password, which whoever guessed does not have, begins anew.
    assert (await changed_password(owner, NEW_PASSWORD)).status_code == 200
    fresh = (await owner.log_in(NEW_PASSWORD)).json()["challenge"]
    assert (await owner.answer(fresh, code=owner.app.code())).status_code == 200


async def test_new_passwords_are_no_way_round_the_bound(owner: Owner) -> None:
    """Whoever reads the owner's mail has as many passwords as they like, and one new beginning a week."""
    user = await _user(owner)

    async def guesses_until_refused(password: str) -> int:
        for made in range(30):
            challenge = (await owner.log_in(password)).json()["challenge"]
            if (await owner.answer(challenge, code=owner.app.wrong_code())).status_code == 429:
                return made
        raise AssertionError("no bound")

    assert await guesses_until_refused(PASSWORD) == 10
    assert (await changed_password(owner, NEW_PASSWORD)).status_code == 200
    assert await guesses_until_refused(NEW_PASSWORD) == 10
    another = f"{NEW_PASSWORD}, another"
    assert (await changed_password(owner, another, NEW_PASSWORD)).status_code == 200
    assert await guesses_until_refused(another) == 0
    week_ago = now() - codes.FORGIVEN_EVERY
    await database().second_factors.update_one({"user_id": user.id}, {"$set": {"guesses_forgiven_at": week_ago}})
    assert await guesses_until_refused(another) == 10


async def test_guesses_are_forgiven_once_for_a_new_password_and_never_without_one(owner: Owner) -> None:
    user = await _user(owner)
    assert user.token_version == 0
    await database().users.update_one({"_id": user.id}, {"$set": {"token_version": 5}})
    for count in range(11):
        answer = await owner.answer(await owner.challenge(), code=owner.app.wrong_code())
        assert answer.status_code == (422 if count < 10 else 429)


async def test_the_bound_of_a_week_holds_when_that_of_a_day_is_over(owner: Owner) -> None:
    user = await _user(owner)
    old = [now() - timedelta(days=2, minutes=number) for number in range(20)]
    await database().second_factors.update_one({"user_id": user.id}, {"$set": {"guesses": old[:19]}})
    assert (await owner.answer(await owner.challenge(), code=owner.app.wrong_code())).json()["code"] == "wrong_code"
    full = await owner.answer(await owner.challenge(), code=owner.app.code())
    assert full.json()["code"] == "too_many_codes"
    assert 4 * 86400 < int(full.headers["retry-after"]) <= 5 * 86400
    await database().second_factors.update_one(
        {"user_id": user.id}, {"$set": {"guesses": [at - timedelta(days=6) for at in old]}}
    )
    assert (await owner.answer(await owner.challenge(), code=owner.app.code())).status_code == 200


async def test_a_right_code_is_not_counted_as_a_wrong_one(owner: Owner, clock: Clock) -> None:
    for _ in range(11):
        assert (await owner.answer(await owner.challenge(), code=owner.app.code())).status_code == 200
        clock.go(1)
        throttle.forget_all()
    kept = await store.second_factor_of((await _user(owner)).id)
    assert kept is not None
    assert kept.guesses == []


async def test_a_recovery_code_is_good_once_and_the_owner_is_told(owner: Owner) -> None:
    await letters()
    code = owner.recovery_codes[3]
    typed = code.upper().replace("-", " ")
    assert (await owner.answer(await owner.challenge(), recovery_code=typed)).status_code == 200
    assert (await owner.ask("GET", "me/second-factor")).json()["recovery_codes_left"] == 9
    await settle_mail()
    assert "9 are left" in mail.outbox[-1].body
    assert await letters() == ["A recovery code of your Eloquent AI account was used"]
    again = await owner.answer(await owner.challenge(), recovery_code=code)
    assert again.json()["code"] == "wrong_code"


async def test_of_many_who_show_one_recovery_code_at_once_one_is_let_in(owner: Owner) -> None:
    waiting = [await owner.challenge() for _ in range(5)]
    answers = await asyncio.gather(*(owner.answer(each, recovery_code=owner.recovery_codes[0]) for each in waiting))
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 4


async def test_malformed_and_huge_answers_are_refused_and_cost_no_attempt(owner: Owner) -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"code": None},
        {"code": 123456},
        {"code": "1" * 33},
        {"code": "1" * 100_000},
        {"recovery_code": "a" * 65},
        {"code": "123456", "recovery_code": "x"},
        {"passkey": {}},
        {"passkey": {"id": "é", "rawId": "é", "type": "public-key", "response": {}}},
        {"passkey": "x" * 20_000},
        {"code": "123456", "remember": True},
    ]
    challenge = await owner.challenge()
    for body in bodies:
        refused = await owner.answer(challenge, **body)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input"), body
    assert (await owner.answer(challenge, code=owner.app.code())).status_code == 200


async def test_what_is_no_code_is_a_wrong_one(owner: Owner) -> None:
    for code in ("", "１２３４５６", "١٢٣٤٥٦", "12345\u200b6", "1e5", "123456\u0000"):
        challenge = await owner.challenge()
        assert (await owner.answer(challenge, code=code)).json()["code"] == "wrong_code"
        assert (await owner.answer(challenge, recovery_code=code)).json()["code"] == "wrong_code"


async def test_a_challenge_that_nobody_was_given_is_refused(owner: Owner) -> None:
    for challenge in ("", "x", "ＡＢＣ", "x" * 64):
        assert (await owner.answer(challenge, code=owner.app.code())).json()["code"] == "challenge_refused"
    assert (await owner.answer("x" * 65, code=owner.app.code())).json()["code"] == "invalid_input"


@pytest.mark.parametrize(
    "away", ["attempt_sign_in_challenge", "use_totp_step", "take_sign_in_challenge", "add_session"]
)
async def test_a_database_that_is_gone_in_between_lets_nobody_in_and_another_code_will(
    owner: Owner, clock: Clock, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    async def gone(*_arguments: Any, **_options: Any) -> None:
        raise AutoReconnect("gone")

    challenge, before = await owner.challenge(), await sessions_of(owner)
    with monkeypatch.context() as patch:
        patch.setattr(store, away, gone)
        assert (await owner.answer(challenge, code=owner.app.code())).status_code == 503
    assert await sessions_of(owner) == before
    clock.go(1)
    if away == "add_session":  # used up by then: the first step is done again
        assert (await owner.answer(challenge, code=owner.app.code())).json()["code"] == "challenge_refused"
        challenge = await owner.challenge()
    assert (await owner.answer(challenge, code=owner.app.code())).status_code == 200


async def test_every_way_in_ends_at_the_second_factor(owner: Owner, somebody: Any) -> None:
    device = devices.Device("192.0.2.7", "Browser/1.0")
    other = await somebody()
    for proof in signing_in.Proof:
        outcome = await signing_in.let_in(await _user(owner), proof=proof, device=device)
        assert isinstance(outcome, challenges.Challenge) is (proof is not signing_in.Proof.PASSKEY)
        assert not isinstance(
            await signing_in.let_in(await _user(other), proof=proof, device=device), challenges.Challenge
        )
    kept = await database().sign_in_challenges.find_one({"proof": "reset_link"})
    assert kept["address"] == "192.0.2.7"


async def test_what_happened_is_recorded_and_no_secret_of_it(
    owner: Owner, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    challenge, code, wrong = await owner.challenge(), owner.app.code(), owner.app.wrong_code()
    await owner.answer(challenge, code=wrong)
    await owner.answer(challenge, recovery_code=owner.recovery_codes[1] + "0")
    await owner.answer(challenge, code=code)
    await owner.answer(await owner.challenge(), recovery_code=owner.recovery_codes[0])
    user = await _user(owner)
    entries = [entry async for entry in database().audit.find({"subject_id": user.id}).sort("number", 1)]
    actions = [entry["action"] for entry in entries]
    assert actions[-5:] == [
        "second_factor.failed",
        "second_factor.failed",
        "session.signed_in",
        "second_factor.recovery_code_used",
        "session.signed_in",
    ]
    assert '"second_factor":"totp"' in entries[-3]["facts"]
    written = caplog.text + "".join(capsys.readouterr()) + str(entries) + str([vars(r) for r in caplog.records])
    stored = str([document async for document in database().second_factors.find()])
    for secret in (owner.app.secret, code, wrong, challenge, *owner.recovery_codes):
        # As a word: six digits are also found in the middle of an id.
        assert not re.search(rf"\b{secret}\b", written)
        assert not re.search(rf"\b{secret}\b", stored)


async def test_strangers_who_answer_too_often_are_told_to_wait(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "SECOND_FACTOR_BY_ADDRESS", throttle.Limit("second-factor-address", 3, 300))
    body = {"challenge": "x", "code": "123456"}
    said = [(await http.post("/api/v1/auth/second-factor", json=body)).json()["code"] for _ in range(4)]
    assert said == ["challenge_refused"] * 3 + ["throttled"]
    assert (await http.post("/api/v1/auth/passkey/options", json={})).json()["code"] == "throttled"
