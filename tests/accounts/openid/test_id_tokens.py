"""An ID token is believed only when all of it is right."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from accounts.openid.id_tokens import Person, TokenRefused, header_of, person_in
from accounts.openid.keys import KeyUnknown, keys_in
from tests.fakes.openid import CLIENT_ID, FakeProvider, jwk, key

Wrong = Callable[[FakeProvider], Any]
NOW = int(time.time())
NONCE = "n" * 43


def claims(**changed: Any) -> Wrong:
    return lambda fake: fake.claims.update(changed)


def says(**changed: Any) -> Wrong:
    return lambda fake: [setattr(fake, name, value) for name, value in changed.items()]


WRONG: dict[str, Wrong] = {
    "another issuer": claims(iss="https://evil.example.org"),
    "an issuer with a slash": lambda fake: fake.claims.update(iss=f"{fake.issuer}/"),
    "no issuer": claims(iss=None),
    "another audience": claims(aud="somebody"),
    "no audience": claims(aud=None),
    "an audience that is no text": claims(aud=[1]),
    "another audience as well": claims(aud=["eloquent", "somebody"]),
    "another audience, though asked for by us": claims(aud="somebody", azp="eloquent"),
    "other audiences, though asked for by us": claims(aud=["somebody", "else"], azp="eloquent"),
    "made for another": claims(aud=["eloquent", "somebody"], azp="somebody"),
    "made for another alone": claims(azp="somebody"),
    "another nonce": claims(nonce="x" * 43),
    "no nonce": claims(nonce=None),
    "a nonce that is no text": claims(nonce=["x"]),
    "expired": claims(exp=NOW - 120),
    "no end": claims(exp=None),
    "an end that is no number": claims(exp="never"),
    "an end that is not a number": claims(exp=float("nan")),
    "made in the future": claims(iat=NOW + 3600),
    "no begin": claims(iat=None),
    "no subject": claims(sub=None),
    "an empty subject": claims(sub=""),
    "a subject that is a number": claims(sub=7),
    "a subject that is too long": claims(sub="x" * 256),
    "another access token": claims(at_hash="x" * 22),
    "an at_hash that is no text": claims(at_hash=1),
    "algorithm none": says(algorithm="none"),
    "algorithm HS256, with the public key as secret": says(algorithm="HS256"),
    "RS512, which is none of ours": says(algorithm="RS512"),
    "another key under the same name": says(private=key("RSA", 2)),
    "a key's name that is unknown": says(kid="two"),
    "a header with a claim that must be understood": says(header={"crit": ["exp"], "exp": 1}),
    "a key that is unknown": says(kid="two", private=key("RSA", 2)),
    "no key's name, of several": says(kid=None, keys=[jwk(key("RSA"), kid="one"), jwk(key("RSA", 2), kid="two")]),
    "a key that is for encryption": says(keys=[jwk(key("RSA"), kid="one") | {"use": "enc"}]),
    "a key that is for another algorithm": says(keys=[jwk(key("RSA"), kid="one", alg="PS256")]),
    "a short key": says(private=key("short RSA"), keys=[jwk(key("short RSA"), kid="one"), jwk(key("EC"), kid="x")]),
    "another curve": says(
        private=key("P-384"), algorithm="ES384", keys=[jwk(key("P-384"), kid="one"), jwk(key("EC"), kid="x")]
    ),
    "a key as text": says(keys=[{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}, jwk(key("EC"), kid="x")]),
    "a header that must be understood": says(header={"crit": ["b64"], "b64": True}),
    "a name of a key that is no text": says(header={"kid": 1}),
    "a key inside the token": says(kid="new", private=key("RSA", 2), header={"jwk": jwk(key("RSA", 2))}),
    "no ID token": lambda fake: fake.token.update(id_token=None),
    "an ID token that is no text": lambda fake: fake.token.update(id_token={"a": 1}),
    "an ID token that is garbage": lambda fake: fake.token.update(id_token="a.b.c"),
    "an encrypted ID token": lambda fake: fake.token.update(id_token="a.b.c.d.e"),
    "an ID token without end": lambda fake: fake.token.update(id_token="a." + "b" * 40_000 + ".c"),
}


def read(fake: FakeProvider) -> Person:
    """What is read in the answer of the provider as it is now."""
    token = fake.id_token({"client_id": CLIENT_ID, "nonce": NONCE}, "access-1")
    answer: Any = ({"id_token": token} | fake.token)["id_token"]
    header_of(answer)
    return person_in(
        answer,
        keys_in(json.dumps({"keys": fake.keys}).encode()),
        issuer=fake.issuer,
        client_id=CLIENT_ID,
        nonce=NONCE,
        access_token="access-1",
        now_s=time.time(),
    )


@pytest.fixture
def fake() -> FakeProvider:
    """One that nobody asks."""
    provider = FakeProvider()
    provider.issuer = "https://accounts.example.org"
    return provider


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.filterwarnings("ignore:Key size", "ignore:The RSA key is 1024")
def test_a_token_that_is_wrong_is_refused(fake: FakeProvider, wrong: Wrong) -> None:
    wrong(fake)
    with pytest.raises((TokenRefused, KeyUnknown)) as refusal:
        read(fake)
    assert "access-1" not in str(refusal.value)
    fake.be_good()
    assert read(fake).subject == "subject-1"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(("algorithm", "kind"), [("RS256", "RSA"), ("PS256", "RSA"), ("ES256", "EC"), ("EdDSA", "OKP")])
@pytest.mark.parametrize("kid", ["one", None])
def test_each_algorithm_of_ours_is_taken(fake: FakeProvider, algorithm: str, kind: str, kid: str | None) -> None:
    fake.algorithm, fake.private, fake.kid = algorithm, key(kind), kid
    fake.keys = [jwk(key(kind), kid="one"), {"kty": "unknown"}, {"kty": "RSA", "n": 1, "e": None}]
    assert read(fake).email == "ada@example.org"


@pytest.mark.parametrize(
    "right",
    [
        claims(aud=["eloquent"]),
        claims(aud=["eloquent", "somebody"], azp="eloquent"),
        claims(azp="eloquent"),
        claims(at_hash=None),
        lambda fake: fake.claims.update(exp=int(time.time()) - 20),
        claims(iat=NOW + 30),
        claims(sub="x" * 255),
        claims(name={"not": "text"}, address={"a": []}),
        says(header={"x5t": "unknown to us"}),
        says(kid=None, keys=[jwk(key("RSA", 2)) | {"use": "enc"}, jwk(key("RSA"))]),
        says(kid=None, keys=[jwk(key("RSA", 2), alg="PS256"), jwk(key("RSA"), alg="RS256")]),
    ],
)
def test_what_a_right_answer_may_look_like(fake: FakeProvider, right: Wrong) -> None:
    right(fake)
    assert read(fake).email == "ada@example.org"


@pytest.mark.parametrize(
    ("told", "understood"),
    [(True, True), ("true", True), (False, False), ("false", False), (1, False), ("yes", False), (None, None)],
)
def test_an_email_is_verified_where_the_provider_says_so(
    fake: FakeProvider, told: Any, understood: bool | None
) -> None:
    fake.claims = {"email_verified": told}
    assert read(fake).email_verified is understood


@pytest.mark.parametrize("email", ["", "nobody", 7, None, ["a@example.org"], "a@b@c", "x" * 300 + "@example.org"])
def test_what_is_no_email_is_none(fake: FakeProvider, email: Any) -> None:
    fake.claims = {"email": email}
    assert read(fake).email == ""


@pytest.mark.parametrize(
    ("name", "kept"), [("  Ada \n Lovelace ", "Ada Lovelace"), ("x" * 400, "x" * 150), ("bell\u0007", ""), (7, "")]
)
def test_a_name_is_kept_as_one_that_a_person_may_have(fake: FakeProvider, name: Any, kept: str) -> None:
    fake.claims = {"name": name}
    assert read(fake).name == kept


def test_a_set_of_keys_has_a_bound() -> None:
    one = jwk(key("EC"), kid="one")
    assert len(keys_in(json.dumps({"keys": [one] * 50}).encode())) == 50
    for document in (b"[]", b"{}", b"null", b"[" * 100_000, json.dumps({"keys": [one] * 51}).encode()):
        with pytest.raises(ValueError, match="it is no"):
            keys_in(document)


def test_a_key_that_comes_with_its_private_half_is_only_half_read() -> None:
    leaked = jwk(key("EC"), kid="one") | {"d": "AQ"}
    (half,) = keys_in(json.dumps({"keys": [leaked]}).encode())
    assert not half.key.is_private
