"""Access tokens (RS256 JWT through SimpleJWT), their keys, and refresh tokens. No database, no network.

Access token: header `alg kid typ`, claims `iss aud sub sid ver iat exp` (`sub` the user, `sid` the session, both 24 hex
digits; `ver` the user's token version). Several keys may be in force at once: one signs, all verify, and the key is
chosen by `kid` alone (RFC 7638 thumbprint of the public key, so the same key has the same id everywhere).

Refresh token: 80 characters of base64url holding 60 bytes: session id (12), lineage (16, the same through all
rotations) and secret (32, new at each rotation). The lineage tells a real but outdated token (its session must end)
from a forged one (which must not let anyone who knows a session's id end it).
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import jwt
import msgspec
from bson import ObjectId
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.algorithms import RSAAlgorithm
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from eloquent.foundation.errors import Unavailable
from eloquent.foundation.ids import SessionId, UserId

ALGORITHM: Final = "RS256"
ISSUER: Final = "eloquent"
AUDIENCE: Final = "eloquent-api"
ACCESS_TOKEN_S: Final = 15 * 60
# Far above any token of ours (about 700 characters); what is longer is refused before any work.
MAX_TOKEN_CHARS: Final = 4096

_KID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_REFRESH_CHARS = 80
_SESSION_ID_BYTES, _LINEAGE_BYTES, _SECRET_BYTES = 12, 16, 32


class TokenError(ValueError):
    """The token cannot be trusted: malformed, not ours, changed, or expired. Users are told no more than that."""


class UnknownKey(TokenError):
    """The token names a key that is not on this ring: one that was never ours, is ours no more, or is not known yet."""


class Claims(msgspec.Struct, frozen=True):
    """What a verified access token says. `expires_at_s` is in seconds since 1970."""

    user_id: UserId
    session_id: SessionId
    token_version: int
    expires_at_s: float


class _Payload(msgspec.Struct, frozen=True):
    """The claims as they are written, with their types; SimpleJWT checks `iss`, `aud` and `exp` beyond that."""

    iss: str
    aud: str
    sub: str
    sid: str
    ver: int
    iat: int
    exp: int


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key and its id."""

    kid: str
    public: RSAPublicKey

    @classmethod
    def of(cls, public: RSAPublicKey) -> Self:
        """The key with its RFC 7638 thumbprint as id."""
        required = json.dumps(_public_numbers(public), sort_keys=True, separators=(",", ":"))
        return cls(_base64url(hashlib.sha256(required.encode()).digest()), public)

    @classmethod
    def read(cls, pem: str) -> Self:
        """The key in a PEM, be it a public or a private one."""
        raw = pem.encode()
        try:
            key: Any = serialization.load_pem_public_key(raw)
        except ValueError:
            key = serialization.load_pem_private_key(raw, password=None).public_key()
        if not isinstance(key, RSAPublicKey):
            raise TypeError("Access tokens are verified with an RSA key.")
        return cls.of(key)

    def as_jwk(self) -> dict[str, str]:
        """The key as a member of a JWK Set (RFC 7517)."""
        return {**_public_numbers(self.public), "use": "sig", "alg": ALGORITHM, "kid": self.kid}


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key, and the public one that goes with it."""

    private: RSAPrivateKey
    verifying: VerifyingKey

    @classmethod
    def read(cls, pem: str) -> Self:
        """The key in a PEM."""
        private = serialization.load_pem_private_key(pem.encode(), password=None)
        if not isinstance(private, RSAPrivateKey):
            raise TypeError("Access tokens are signed with an RSA key.")
        return cls(private, VerifyingKey.of(private.public_key()))


class _Backend(TokenBackend):
    """SimpleJWT's backend with several verifying keys, named by `kid`."""

    def __init__(self, signing: PrivateKey | None, keys: Sequence[VerifyingKey]) -> None:
        super().__init__(ALGORITHM, issuer=ISSUER, audience=AUDIENCE)
        self._signing = signing
        self._keys: Mapping[str, RSAPublicKey] = {key.kid: key.public for key in keys}

    def encode(self, payload: dict[str, Any]) -> str:
        if self._signing is None:
            raise Unavailable
        claims = {**payload, "iss": self.issuer, "aud": self.audience}
        headers = {"kid": self._signing.verifying.kid}
        return jwt.encode(claims, self._signing.private, algorithm=ALGORITHM, headers=headers)

    def get_verifying_key(self, token: Any) -> RSAPublicKey:
        # Only the kid is believed from a header that nobody has verified yet, and only to choose among our own keys:
        # `alg` is ours whatever the header says, and a `jwk` or `jku` in it is never read.
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError as error:
            raise TokenBackendError("Token is invalid") from error
        if not isinstance(kid, str) or not _KID.fullmatch(kid):
            raise TokenBackendError("Token names no key of ours")
        key = self._keys.get(kid)
        if key is None:
            raise UnknownKey("The access token is signed by a key that is not known here.")
        return key


class KeyRing:
    """Signs with one key and verifies with every key in force.

    Args:
        signing: the key that signs; without one nothing can be signed.
        others: those that verify as well.
    """

    def __init__(self, signing: PrivateKey | None, others: Iterable[VerifyingKey] = ()) -> None:
        keys = [*([signing.verifying] if signing else []), *others]
        self.signing = signing
        self.keys: tuple[VerifyingKey, ...] = tuple({key.kid: key for key in keys}.values())
        self._backend = _Backend(signing, self.keys)

    @classmethod
    def of_pems(cls, private_pem: str, previous_pem: str | None = None) -> Self:
        """The signing key, and the key before it (private or public), all as PEM."""
        return cls(PrivateKey.read(private_pem), [VerifyingKey.read(previous_pem)] if previous_pem else [])

    def sign(self, *, user_id: UserId, session_id: SessionId, token_version: int, now_s: float) -> str:
        """An access token that lives ACCESS_TOKEN_S seconds from `now_s` (seconds since 1970).

        Raises:
            Unavailable: there is no key that may.
        """
        issued = int(now_s)
        payload = {"sub": str(user_id), "sid": str(session_id), "ver": token_version}
        token: str = self._backend.encode({**payload, "iat": issued, "exp": issued + ACCESS_TOKEN_S})
        return token

    def verify(self, token: str) -> Claims:
        """The claims of a token that is ours, unchanged and not expired (PyJWT reads the wall clock for `exp`).

        Raises:
            UnknownKey: it names a key that is not on this ring.
            TokenError: anything else.
        """
        # PyJWT refuses all spellings of a signature but one, except for padding, which `_COMPACT` does not know. So the
        # text of a token that passes can be used as a key.
        if len(token) > MAX_TOKEN_CHARS or not _COMPACT.fullmatch(token):
            raise TokenError("The access token is malformed.")
        try:
            # SimpleJWT's annotation says Token and means its text.
            payload = msgspec.convert(self._backend.decode(token), _Payload)  # type: ignore[arg-type]
        except (TokenBackendError, msgspec.ValidationError) as error:
            raise TokenError("The access token is not valid.") from error
        if not (ObjectId.is_valid(payload.sub) and ObjectId.is_valid(payload.sid)):
            raise TokenError("The access token names nobody.")
        return Claims(ObjectId(payload.sub), ObjectId(payload.sid), payload.ver, payload.exp)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK Set, that which signs first."""
        return {"keys": [key.as_jwk() for key in self.keys]}


class RefreshToken(msgspec.Struct, frozen=True):
    """A refresh token's parts. `text` is what its owner keeps; the server stores the two hashes only."""

    session_id: SessionId
    lineage: bytes
    secret: bytes

    @classmethod
    def first(cls, session_id: SessionId) -> Self:
        """The token that a new session starts with."""
        return cls(session_id, secrets.token_bytes(_LINEAGE_BYTES), secrets.token_bytes(_SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The parts of a token's text.

        Raises:
            TokenError: it does not have the shape of one.
        """
        if len(text) != _REFRESH_CHARS:
            raise TokenError("The refresh token is malformed.")
        try:
            raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error) as error:
            raise TokenError("The refresh token is malformed.") from error
        if _base64url(raw) != text:  # the decoder also takes the other alphabet's + and /
            raise TokenError("The refresh token is malformed.")
        lineage_end = _SESSION_ID_BYTES + _LINEAGE_BYTES
        return cls(ObjectId(raw[:_SESSION_ID_BYTES]), raw[_SESSION_ID_BYTES:lineage_end], raw[lineage_end:])

    def next(self) -> Self:
        """The token that follows this one: same session and lineage, new secret."""
        return type(self)(self.session_id, self.lineage, secrets.token_bytes(_SECRET_BYTES))

    @property
    def text(self) -> str:
        """The 80 characters that the client keeps."""
        return _base64url(self.session_id.binary + self.lineage + self.secret)

    @property
    def hash(self) -> str:
        """SHA-256 in hex of the whole token. A plain hash is enough: there are 256 random bits to guess."""
        return hash_of(self.text)

    @property
    def lineage_hash(self) -> str:
        """SHA-256 in hex of the part that all tokens of a session share."""
        return hashlib.sha256(self.lineage).hexdigest()


def seal(successor: RefreshToken, *, behind: RefreshToken) -> str:
    """The successor's secret in hex, readable only with the token `behind` which it follows.

    A one-time pad whose key is made from the older token's 256 random bits, each used for one successor. The database
    holds only the older token's hash, so who reads the database learns neither.
    """
    return _pad(successor.secret, behind).hex()


def unseal(sealed: str, *, behind: RefreshToken) -> RefreshToken:
    """The successor that `seal` hid behind this token."""
    return RefreshToken(behind.session_id, behind.lineage, _pad(bytes.fromhex(sealed), behind))


def hash_of(text: str) -> str:
    """SHA-256 in hex of a random token: what is stored in its place."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _pad(secret: bytes, token: RefreshToken) -> bytes:
    pad = hmac.digest(token.secret, b"eloquent refresh successor", "sha256")
    return bytes(left ^ right for left, right in zip(secret, pad, strict=True))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _public_numbers(public: RSAPublicKey) -> dict[str, str]:
    jwk = RSAAlgorithm.to_jwk(public, as_dict=True)
    return {"e": jwk["e"], "kty": "RSA", "n": jwk["n"]}
