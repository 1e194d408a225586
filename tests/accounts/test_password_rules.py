"""Which passwords are accepted: not what guessers try first, whatever is added to it; what people make up well is."""

import gzip
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from accounts.password_rules import NotTheNamesValidator, is_common, is_made_of, names_in
from accounts.passwords import check_new_password
from eloquent.foundation.config import ConfigFaults, get_config, load_config
from eloquent.foundation.errors import InvalidInput


@pytest.mark.parametrize(
    "password",
    [
        "password123",
        "Password2024!",
        "P@ssw0rd12",
        "Pa$$word1!",
        "iloveyou iloveyou",
        "passwordpassword",
        "monkeymonkey1",
        "trustno1!!!!",
        "!!password!!",
        "letmein1!!",
        "ｐａｓｓｗｏｒｄ12",
        "1234567890",
        "0987654321",
        "12345678901234",
        "qwertyuiop",
        "qwertzuiop",
        "zyxwvutsrq",
        "abcdefghij",
        "1qaz2wsx3edc",
        "1q2w3e4r5t",
        "aaaaaaaaaa",
        "1212121212",
        "abababababab",
        "abc123abc123",
        " password1 ",
    ],
)
def test_what_guessers_try_first_is_refused(password: str) -> None:
    assert is_common(password)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "plum orchard tuesday lantern",
        "seven purple bicycles",
        "monkey wrench zebra",
        "dragon8F2kQz",
        "password4Q!zz8Lm02",
        "tY7!kq0Zp2",
        "crème brûlée à gogo",
        "🫖🫖🫖 is for tea",
        "не скажу никому",
        "一個很長的密碼不會被猜到",
    ],
)
def test_what_people_make_up_well_is_accepted(password: str) -> None:
    check_new_password(password, email="grace.hopper@example.org", name="Grace Hopper", field="password")


@pytest.mark.parametrize(
    ("password", "refused"),
    [
        ("grace.hopper@navy.example", True),
        ("GRACE.hopper", True),
        ("gracehopper1!", True),
        ("Hopper-Grace-1906", True),
        ("Eloquent2024!", True),
        ("el0quent-ai-1", True),
        ("navy navy hopper", True),
        ("Hoppers' secret garden", False),
        ("grace8xK!pq2Lm", False),
        ("an eloquent little fox", False),
        ("nothing of the kind", False),
    ],
)
def test_a_password_made_of_names_is_refused(password: str, refused: bool) -> None:
    assert is_made_of(password, names_in("grace.hopper@navy.example", "Grace Hopper")) is refused


@pytest.mark.parametrize(
    ("password", "refused"),
    [
        ("Rocketeer2024!", True),
        ("acme springfield", True),
        ("r0cketeer-acme", True),
        ("Grace-Rocketeer", True),
        ("a rocketeer's purple teapot", False),
        ("nothing of the kind", False),
    ],
)
def test_a_password_made_of_a_houses_words_is_refused(password: str, refused: bool) -> None:
    def is_refused(*house_words: str) -> bool:
        try:
            NotTheNamesValidator(house_words).validate(password, User(email="grace@example.org"))
        except ValidationError:
            return True
        return False

    assert is_refused("Rocketeer", "Acme of Springfield") is refused
    assert not is_refused()


def test_an_operator_names_the_words_of_the_house(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD_HOUSE_WORDS", "Rocketeer, Acme of Springfield")
    assert load_config().password_house_words == ("Rocketeer", "Acme of Springfield")
    [options] = [each["OPTIONS"] for each in settings.AUTH_PASSWORD_VALIDATORS if "OPTIONS" in each]
    assert options == {"house_words": get_config().password_house_words}
    monkeypatch.setenv("PASSWORD_HOUSE_WORDS", "Rocketeer,ab")
    with pytest.raises(ConfigFaults, match="PASSWORD_HOUSE_WORDS"):
        load_config()


def test_the_list_by_itself_would_let_almost_all_of_it_through_again() -> None:
    """Why more is done than looking the password up: what people add to a common one is on no list."""
    file = Path(password_validation.__file__).with_name("common-passwords.txt.gz")
    listed = set(gzip.decompress(file.read_bytes()).decode().split())
    words = sorted(word for word in listed if word.isascii() and word.isalpha() and 5 <= len(word) <= 9)
    chosen = random.Random(1).sample(words, 500)
    tried = [f"{word.capitalize()}{end}" for word in chosen for end in ("2024!", "12345", "!!!!!")]
    assert sum(password.lower() in listed for password in tried) < len(tried) * 0.02
    assert [password for password in tried if not is_common(password)] == []


def refusals(password: str, email: str = "", name: str = "") -> list[dict[str, Any]]:
    try:
        check_new_password(password, email=email, name=name, field="password")
    except InvalidInput as refusal:
        errors: list[dict[str, Any]] = refusal.extra["errors"]
        return errors
    return []


@hypothesis_settings(max_examples=50)
@given(st.text(max_size=300), st.text(max_size=80), st.text(max_size=80))
def test_every_text_is_judged(password: str, email: str, name: str) -> None:
    assert all(error["loc"] == ["body", "password"] for error in refusals(password, email, name))


def test_made_up_by_chance_is_never_common() -> None:
    chance = random.Random(7)
    made = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=12)) for _ in range(2000)]
    assert [password for password in made if is_common(password)] == []


@pytest.mark.parametrize(
    ("password", "fits"), [("a\u0301" * 5 + "bcdef", True), ("a\u0301b" * 4, False), ("🫖tea" * 64 + "!", False)]
)
def test_the_length_counts_characters_as_they_are_compared(password: str, fits: bool) -> None:
    said = [error["msg"] for error in refusals(password)]
    assert any("256 characters" in sentence for sentence in said) is not fits


@pytest.mark.parametrize(
    "password",
    [
        "n\u0000l is a character",
        "".join(chr(0x1F300 + number) for number in range(256)),
        "  spaces at both ends  ",
        "tab\tand\nline break",
        "\u202eright to left",
    ],
)
async def test_whatever_is_a_character_is_accepted_and_compared(http: httpx.AsyncClient, password: str) -> None:
    body: dict[str, Any] = {"email": "odd@example.org", "password": password}
    answer = await http.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    assert (await http.post("/api/v1/auth/login", json=body)).status_code == 200
    assert (await http.post("/api/v1/auth/login", json={**body, "password": password[:-1]})).status_code == 401
