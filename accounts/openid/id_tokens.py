"""What a provider signs, read as OpenID Connect asks for (Core 1.0, section 3.1.3.7). No database, no network.

joserfc verifies the signature; what the claims must say is checked here, on typed values: authlib's own check takes the
allowed algorithms from the provider's document, and lets a claim of the wrong type pass or raise what nobody expects.
"""

import base64
import hashlib
import hmac
import warnings
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning

from accounts.emails import EmailError, normalise_email
from accounts.openid.keys import ALGORITHMS, PublicKey, key_for

# The name stands for Ed448 as well, which is why it is to be replaced; ours is Ed25519, by its key.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)

MAX_TOKEN_CHARS: Final = 32 * 1024
MAX_SUBJECT_CHARS: Final = 255
SKEW_S: Final = 60
# A logout token is a notice of what has just happened.
LONGEST_ON_ITS_WAY_S: Final = 300
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
# Providers may leave it out, or write the general one. Any other names a token that was made for something else.
_LOGOUT_TYPES: Final = frozenset({"", "jwt", "logout+jwt", "application/logout+jwt"})
_MAX_JTI_CHARS: Final = 255
_MAX_NAME_CHARS: Final = 150


class TokenRefused(ValueError):
    """The token cannot be believed. Its message is for the log and holds nothing of the token."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody as their provider knows them.

    `email` is in its stored form, empty for none. `email_verified` is None when the provider does not say.
    """

    issuer: str
    subject: str
    email: str = ""
    email_verified: bool | None = None
    name: str = ""


class _Claims(msgspec.Struct, frozen=True, kw_only=True):
    iss: str
    aud: str | list[str]
    iat: float
    sub: str = ""


class _IdToken(_Claims, frozen=True, kw_only=True):
    exp: float
    nonce: str = ""
    azp: str | None = None
    at_hash: str | None = None
    email: Any = None
    email_verified: Any = None
    name: Any = None


class _LogoutToken(_Claims, frozen=True, kw_only=True):
    events: dict[str, Any]
    jti: str = ""
    exp: float | None = None
    nonce: Any = msgspec.UNSET


class UserInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The userinfo endpoint's answer."""

    sub: str
    email: Any = None
    email_verified: Any = None
    name: Any = None


class Departure(msgspec.Struct, frozen=True):
    """That somebody has left: whom a logout token names, and the token's own name, by which it is known again."""

    subject: str
    token_id: str


class Header(msgspec.Struct, frozen=True):
    """The parts of a token's header that choose its key; `type` is what it calls itself, in lower case or empty."""

    algorithm: str
    kid: str | None
    type: str


def header_of(token: object) -> Header:
    """The header of a signed token, before anything of it can be believed.

    Raises:
        TokenRefused: it is no signed token, or its algorithm is none of ours.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARS or token.count(".") != 2 or not token.isascii():  # noqa: PLR2004
        raise TokenRefused("it is no signed token")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise TokenRefused("its header cannot be read") from error
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if algorithm not in ALGORITHMS:
        raise TokenRefused("its algorithm is none of those that are taken")
    if not (kid is None or isinstance(kid, str)):
        raise TokenRefused("its header names no key")
    if not isinstance(kind, str):
        raise TokenRefused("its header names no type")
    return Header(str(algorithm), kid, kind.lower())


def person_in(
    token: str,
    keys: tuple[PublicKey, ...],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str | None,
    now_s: float,
) -> Person:
    """Whom an ID token speaks of.

    Raises:
        KeyUnknown: it is signed with none of these keys.
        TokenRefused: it is not this provider's, not for us, not for this sign-in, or not of now.
    """
    claims = _signed(token, keys, _IdToken)
    _check_origin(claims, issuer=issuer, client_id=client_id, now_s=now_s)
    if not _is_same(claims.nonce, nonce):
        raise TokenRefused("it was made for another sign-in")
    if claims.exp <= now_s - SKEW_S:
        raise TokenRefused("it has expired")
    if claims.azp not in (None, client_id) or (claims.azp is None and claims.aud not in (client_id, [client_id])):
        raise TokenRefused("it was made for somebody else as well")
    hashed = _half_hash(access_token or "", header_of(token).algorithm)
    if claims.at_hash is not None and not _is_same(claims.at_hash, hashed):
        raise TokenRefused("the access token beside it is another's")
    if not claims.sub or len(claims.sub) > MAX_SUBJECT_CHARS or not claims.sub.isascii():
        raise TokenRefused("its subject is none")
    return _person(issuer, claims.sub, claims)


def completed(person: Person, answer: bytes) -> Person:
    """The person with what the userinfo endpoint says of them.

    Raises:
        TokenRefused: it speaks of somebody else, or cannot be read.
    """
    try:
        info = msgspec.json.decode(answer, type=UserInfo)
    except (msgspec.DecodeError, RecursionError) as error:
        raise TokenRefused("what the userinfo endpoint says cannot be read") from error
    if info.sub != person.subject:
        raise TokenRefused("the userinfo endpoint speaks of somebody else")
    said = _person(person.issuer, person.subject, info)
    return msgspec.structs.replace(said, name=person.name or said.name)


def departure_in(token: str, keys: tuple[PublicKey, ...], *, issuer: str, client_id: str, now_s: float) -> Departure:
    """What a logout token (Back-Channel Logout 1.0, section 2.6) says. Whether it was used before, nobody knows here.

    Raises:
        KeyUnknown: it is signed with none of these keys.
        TokenRefused: it is no logout token, not this provider's, not for us, not of now, or names a session alone.
    """
    claims = _signed(token, keys, _LogoutToken)
    _check_origin(claims, issuer=issuer, client_id=client_id, now_s=now_s)
    named_so = header_of(token).type in _LOGOUT_TYPES
    if not named_so or claims.nonce is not msgspec.UNSET or not isinstance(claims.events.get(LOGOUT_EVENT), dict):
        raise TokenRefused("it is no logout token")
    if claims.iat < now_s - LONGEST_ON_ITS_WAY_S or (claims.exp is not None and claims.exp <= now_s - SKEW_S):
        raise TokenRefused("it is too old")
    if not claims.sub:
        raise TokenRefused("it names no subject")
    if not 0 < len(claims.jti) <= _MAX_JTI_CHARS:
        raise TokenRefused("it has no name of its own")
    return Departure(claims.sub, claims.jti)


def _signed(token: str, keys: tuple[PublicKey, ...], kind: type[msgspec.Struct]) -> Any:
    header = header_of(token)
    key = key_for(keys, algorithm=header.algorithm, kid=header.kid)
    registry = jws.JWSRegistry(algorithms=[header.algorithm], strict_check_header=False)
    try:
        payload = jws.deserialize_compact(token, key, registry=registry).payload
        # Not as joserfc reads it: to that reader NaN is a time that never passes.
        return msgspec.json.decode(payload or b"", type=kind)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise TokenRefused("its signature or its claims are not what they should be") from error


def _check_origin(claims: _Claims, *, issuer: str, client_id: str, now_s: float) -> None:
    if claims.iss != issuer:
        raise TokenRefused("another provider has made it")
    if client_id not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
        raise TokenRefused("it was not made for us")
    if claims.iat > now_s + SKEW_S:
        raise TokenRefused("it was made in the future")


def _person(issuer: str, subject: str, said: _IdToken | UserInfo) -> Person:
    email = ""
    if isinstance(said.email, str):
        try:
            email = normalise_email(said.email)
        except EmailError:
            email = ""
    word = said.email_verified
    # Some providers write it as text.
    verified = None if word is None else word is True or word == "true"
    name = " ".join(said.name.split()) if isinstance(said.name, str) else ""
    name = name[:_MAX_NAME_CHARS] if name.isprintable() else ""
    return Person(issuer=issuer, subject=subject, email=email, email_verified=verified, name=name)


def _half_hash(text: str, algorithm: str) -> str:
    """The left half of the hash that the algorithm signs (Core 1.0, section 3.1.3.6)."""
    digest = (hashlib.sha512 if algorithm == "EdDSA" else hashlib.sha256)(text.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _is_same(told: str, expected: str) -> bool:
    return hmac.compare_digest(told.encode(), expected.encode())
