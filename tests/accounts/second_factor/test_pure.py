"""Codes, recovery codes and who may ask for passkeys: what needs no server."""

import string

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.second_factor import recovery_codes, totp
from accounts.second_factor.relying_party import RelyingParty, relying_party_by
from eloquent.foundation.config import Config

# RFC 6238, appendix B, SHA-1, the last six of its eight digits.
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC_VECTORS = [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]


@pytest.mark.parametrize(("at_s", "code"), RFC_VECTORS)
def test_codes_are_those_of_the_standard(at_s: int, code: str) -> None:
    assert totp.matching_step(RFC_SECRET, code, at_s=at_s) == at_s // 30


@pytest.mark.parametrize(("late_s", "good"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_be_off_by_one_step(late_s: int, *, good: bool) -> None:
    code = totp.code_of(RFC_SECRET, totp.step_at(1_700_000_000 + late_s))
    assert (totp.matching_step(RFC_SECRET, code, at_s=1_700_000_000) is not None) is good


def test_a_step_that_was_used_is_used_up_and_those_before_it() -> None:
    now = totp.step_at(1_700_000_000)
    for step, good in ((now - 1, False), (now, False), (now + 1, True)):
        found = totp.matching_step(RFC_SECRET, totp.code_of(RFC_SECRET, step), at_s=1_700_000_000, after=now)
        assert (found == step) is good


@pytest.mark.parametrize(
    "digits", ["٢٨٧٠٨٢", "２８７０８２", "²⁸⁷⁰⁸²", "28708", "2870822", "-87082", "28708\ud800", "", "287o82"]
)
def test_only_six_digits_of_ascii_are_a_code(digits: str) -> None:
    assert totp.matching_step(RFC_SECRET, digits, at_s=59) is None


def test_spaces_in_a_code_are_those_of_the_app() -> None:
    assert totp.matching_step(RFC_SECRET, " 287 082\t", at_s=59) == 1


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_no_text_breaks_the_check(text: str) -> None:
    assert totp.matching_step(RFC_SECRET, text, at_s=59) is None or "".join(text.split()) == "287082"
    recovery_codes.hash_of_code(ObjectId(), text)


def test_the_qr_code_and_its_link_carry_the_secret() -> None:
    secret = totp.new_secret()
    assert len(secret) == 32
    url = totp.otpauth_url(secret, account="a b@example.org")
    assert url.startswith("otpauth://totp/Eloquent%20AI:a%20b%40example.org?secret=" + secret)
    assert "issuer=Eloquent%20AI" in url
    assert totp.qr_code(url).startswith("data:image/svg+xml;")


def test_recovery_codes_are_ten_and_different_and_140_bits_each() -> None:
    made = recovery_codes.new_codes()
    assert len(set(made)) == 10
    letters = set("".join(made)) - {"-"}
    assert letters <= set(string.ascii_lowercase + string.digits) - set("ilou")
    assert {len(code.replace("-", "")) for code in made} == {28}


def test_a_recovery_code_is_read_however_it_was_typed_and_is_its_owners() -> None:
    ann, bob = ObjectId(), ObjectId()
    written = "a0b1-c2d3-e4f5-g6h7-j8k9-m0n1-p2q3"
    stored = recovery_codes.hash_of_code(ann, written)
    assert stored is not None
    for typed in (
        "A0B1C2D3E4F5G6H7J8K9M0N1P2Q3",
        " aOb1 c2d3 e4f5 g6h7 j8k9 mon1 p2q3 ",
        "aob1-c2d3-e4f5-g6h7-j8k9-m0n1-p2q3",
        "a0bl-c2d3-e4f5-g6h7-j8k9-m0nl-p2q3",
        "A0BI" + written[4:],
    ):
        assert recovery_codes.hash_of_code(ann, typed) == stored
    assert recovery_codes.hash_of_code(bob, written) != stored
    for other in ("", written[:-1], written[:-1] + "u", written + "7", "٠" * 28):
        assert recovery_codes.hash_of_code(ann, other) is None


PARTY = RelyingParty("example.org", "api.example.org", frozenset({"https://app.example.org", "https://elsewhere.net"}))


@pytest.mark.parametrize(
    ("origin", "taken"),
    [
        ("https://app.example.org", True),
        ("https://api.example.org", True),
        # Ours, and of another domain: a passkey of one place is of no use in another.
        ("https://elsewhere.net", False),
        ("https://example.org.evil.net", False),
        ("https://evil.example.org", False),
        ("https://evilexample.org", False),
        ("https://api.example.org:8443", False),
        ("https://[", False),
        ("null", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_pages_of_the_domain_that_are_ours_may_use_passkeys(origin: object, *, taken: bool) -> None:
    assert PARTY.takes(origin) is taken


@pytest.mark.parametrize(
    ("said", "domain"),
    [
        ({}, "api.example.org"),
        ({"frontend_url": "https://app.example.org/chat"}, "app.example.org"),
        ({"frontend_url": "https://app.example.org", "passkey_domain": "example.org"}, "example.org"),
    ],
)
def test_the_domain_comes_from_the_settings_before_the_request(said: dict[str, str], domain: str) -> None:
    party = relying_party_by(Config.model_validate(said), "api.example.org:8000")
    assert party.domain == domain
    assert party.takes("https://app.example.org") is ("frontend_url" in said)
