"""Access and refresh tokens as such: whatever is not ours, unchanged and in time is refused."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from bson import ObjectId
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from accounts.tokens import ACCESS_TOKEN_S, Claims, KeyRing, RefreshToken, TokenError, seal, unseal
from eloquent.foundation.keys import make_signing_key

OLD_PEM, NEW_PEM, FOREIGN_PEM = make_signing_key(), make_signing_key(), make_signing_key()
RING = KeyRing.of_pems(NEW_PEM, OLD_PEM)
USER, SESSION = ObjectId(), ObjectId()
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

object_ids = st.binary(min_size=12, max_size=12).map(ObjectId)
refresh_tokens = st.builds(
    RefreshToken, object_ids, st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32)
)


def public_pem(private_pem: str) -> str:
    key = serialization.load_pem_private_key(private_pem.encode(), password=None)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def signed(ring: KeyRing = RING, *, now_s: float | None = None) -> str:
    return ring.sign(user_id=USER, session_id=SESSION, token_version=3, now_s=now_s or time.time())


# It is good for as long as a token is, which a run of all tests may take: for its length alone.
GOOD = signed()


def made(pem: str = NEW_PEM, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token like ours but for what is given; a claim that is None is left out."""
    issued = int(time.time())
    payload = {
        "iss": "eloquent", "aud": "eloquent-api", "sub": str(USER), "sid": str(SESSION), "ver": 3,
        "iat": issued, "exp": issued + ACCESS_TOKEN_S, **claims,
    }  # fmt: skip
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, pem, algorithm="RS256", headers={"kid": RING.keys[0].kid, **(headers or {})})


def test_a_signed_token_says_what_it_was_given() -> None:
    good = signed()
    now_s = time.time()
    claims = RING.verify(signed(now_s=now_s))
    assert claims == Claims(USER, SESSION, 3, int(now_s) + 900)
    assert set(jwt.decode(good, options={"verify_signature": False})) == {
        "iss", "aud", "sub", "sid", "ver", "iat", "exp",
    }  # fmt: skip
    assert RING.verify(made()).user_id == USER


@given(st.integers(min_value=0, max_value=len(GOOD) - 1), st.sampled_from(CHARACTERS + "=.+/ \n\0é"))
def test_any_character_changed_is_refused(place: int, character: str) -> None:
    good = signed()
    changed = good[:place] + character + good[place + 1 :]
    if changed == good:
        assert RING.verify(changed).user_id == USER
        return
    with pytest.raises(TokenError):
        RING.verify(changed)


def test_the_signature_has_one_spelling() -> None:
    """Lax decoders ignore the spare bits of the last character, padding and line ends: many texts, the same bytes."""
    good = signed()
    for spelling in [good[:-1] + character for character in CHARACTERS if character != good[-1]]:
        with pytest.raises(TokenError):
            RING.verify(spelling)
    for spelling in (good + "=", good + "==", good + "\n", " " + good, good.replace(".", ".\n")):
        with pytest.raises(TokenError):
            RING.verify(spelling)


@given(st.text(max_size=300) | st.from_regex(r"[\w-]{0,50}\.[\w-]{0,50}\.[\w-]{0,50}"))
def test_no_text_but_a_token_is_believed_or_breaks_anything(text: str) -> None:
    with pytest.raises(TokenError):
        RING.verify(text)


@given(st.integers(min_value=0, max_value=len(GOOD)), st.text(alphabet=CHARACTERS + ".=", min_size=1, max_size=5))
def test_nothing_can_be_added(place: int, addition: str) -> None:
    good = signed()
    with pytest.raises(TokenError):
        RING.verify(good[:place] + addition + good[place:])


def unsigned(header: dict[str, Any], signature: bytes = b"") -> str:
    good = signed()
    payload = good.split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{head}.{payload}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, "HS256", "PS256", "ES256"])
def test_the_header_does_not_choose_the_algorithm(algorithm: str | None) -> None:
    good = signed()
    header = {"alg": algorithm, "typ": "JWT", "kid": RING.keys[0].kid}
    for signature in (b"", b"x", base64.urlsafe_b64decode(good.split(".")[2] + "==")):
        with pytest.raises(TokenError):
            RING.verify(unsigned(header, signature))


def test_a_public_key_is_not_a_shared_secret() -> None:
    """The classic confusion: HS256 with the published key as secret."""
    for pem in (public_pem(NEW_PEM), public_pem(NEW_PEM).strip(), json.dumps(RING.keys[0].as_jwk())):
        header = {"alg": "HS256", "typ": "JWT", "kid": RING.keys[0].kid}
        head, payload, _ = unsigned(header).split(".")
        signature = hmac.digest(pem.encode(), f"{head}.{payload}".encode(), "sha256")
        with pytest.raises(TokenError):
            RING.verify(unsigned(header, signature))


def test_a_key_that_the_token_brings_along_is_not_used() -> None:
    foreign = KeyRing.of_pems(FOREIGN_PEM)
    jwk = foreign.keys[0].as_jwk()
    for headers in (
        {"jwk": jwk},
        {"jwk": jwk, "kid": foreign.keys[0].kid},
        {"jku": "http://127.0.0.1:1/jwks.json", "kid": foreign.keys[0].kid},
        {"kid": RING.keys[0].kid},
        {"kid": RING.keys[1].kid},
        {"kid": "../../dev/null"},
        {"kid": ""},
    ):
        with pytest.raises(TokenError):
            RING.verify(made(FOREIGN_PEM, headers=headers))
    assert RING.verify(made(headers={"jwk": jwk})).user_id == USER


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "another"}, {"iss": None}, {"aud": "another"}, {"aud": None}, {"sub": None}, {"sid": None},
        {"ver": None}, {"ver": "3"}, {"exp": None}, {"iat": None}, {"sub": "me"}, {"sid": "x" * 24},
        {"nbf": 4_102_444_800}, {"aud": ["eloquent-api", "another"]},
    ],
    ids=str,
)  # fmt: skip
def test_each_claim_is_needed_and_checked(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        RING.verify(made(**claims))


def test_an_expired_token_is_refused() -> None:
    now_s = time.time()
    with pytest.raises(TokenError):
        RING.verify(signed(now_s=now_s - ACCESS_TOKEN_S - 1))
    assert RING.verify(signed(now_s=now_s - ACCESS_TOKEN_S + 60))


@pytest.mark.parametrize("previous", [OLD_PEM, public_pem(OLD_PEM)], ids=["private", "public"])
def test_while_keys_change_tokens_of_both_are_good(previous: str) -> None:
    before, between, after = KeyRing.of_pems(OLD_PEM), KeyRing.of_pems(NEW_PEM, previous), KeyRing.of_pems(NEW_PEM)
    token = signed(before)
    assert between.verify(token) == before.verify(token)
    with pytest.raises(TokenError):
        after.verify(token)
    for ring in (between, after):
        assert ring.verify(signed(between)).user_id == USER
    with pytest.raises(TokenError):
        before.verify(signed(between))


def test_anyone_can_verify_with_the_published_keys() -> None:
    published = jwt.PyJWKSet.from_dict(RING.jwks())
    assert [key.key_id for key in published.keys] == [key.kid for key in RING.keys]
    for ring in (RING, KeyRing.of_pems(OLD_PEM)):
        token = signed(ring)
        key = published[jwt.get_unverified_header(token)["kid"]]
        assert jwt.decode(token, key, algorithms=["RS256"], audience="eloquent-api")["sub"] == str(USER)
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(RING.jwks()["keys"][0])


def test_a_key_id_is_the_thumbprint_of_rfc_7638() -> None:
    for key in RING.jwks()["keys"]:
        canonical = f'{{"e":"{key["e"]}","kty":"RSA","n":"{key["n"]}"}}'
        digest = hashlib.sha256(canonical.encode()).digest()
        assert key["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_the_same_key_twice_is_published_once() -> None:
    assert len(KeyRing.of_pems(NEW_PEM, NEW_PEM).jwks()["keys"]) == 1


@given(refresh_tokens)
def test_a_refresh_token_reads_back_as_written(token: RefreshToken) -> None:
    assert len(token.text) == 80
    assert RefreshToken.parse(token.text) == token


@given(st.text(max_size=100) | st.text(alphabet=CHARACTERS + "=+/é\n ", min_size=80, max_size=80))
def test_a_refresh_token_has_one_spelling(text: str) -> None:
    try:
        token = RefreshToken.parse(text)
    except TokenError:
        return
    assert token.text == text


@given(refresh_tokens)
def test_a_sealed_successor_opens_with_its_predecessor_alone(token: RefreshToken) -> None:
    successor = token.next()
    sealed = seal(successor, behind=token)
    assert unseal(sealed, behind=token) == successor
    assert unseal(sealed, behind=successor) != successor
    assert successor.secret.hex() not in sealed
    assert successor.lineage_hash == token.lineage_hash
    assert successor.hash != token.hash
