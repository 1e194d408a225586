"""A provider of OpenID Connect with real keys that does as told: right by default, and wrong in every way on demand.

It checks what it is sent as a provider does (redirect URI, PKCE, client secret, one use of a code), so a sign-in that
succeeds here was asked for as it should be. It signs with PyJWT, and by hand what PyJWT refuses to sign.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.uvicorn_server import running_server

CLIENT_ID = "eloquent"
CLIENT_SECRET = "a:secret with 100% +"
HASHES = {"EdDSA": hashlib.sha512}


@cache
def key(kind: str, number: int = 0) -> Any:
    """A private key, made once for all tests."""
    del number
    return {
        "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "short RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
        "EC": lambda: ec.generate_private_key(ec.SECP256R1()),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "OKP": ed25519.Ed25519PrivateKey.generate,
    }[kind]()


def jwk(private: Any, **members: Any) -> dict[str, Any]:
    """The public key as the provider publishes it."""
    made = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm = next((made[kind] for kind in made if isinstance(private, kind)), OKPAlgorithm)
    told = json.loads(algorithm.to_jwk(private.public_key())) | {"use": "sig", **members}
    told.pop("key_ops", None)  # beside `use` it says the same once more
    return told


def public_pem(private: Any) -> bytes:
    """The public key as PEM: what an attacker uses as the secret of HS256."""
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def with_hmac(claims: dict[str, Any], header: dict[str, Any], secret: bytes) -> str:
    """A token signed with HS256, whatever the secret looks like."""
    parts = [_b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT", **header}, claims)]
    signed = ".".join(parts)
    return f"{signed}.{_b64(hmac.digest(secret, signed.encode(), 'sha256'))}"


def with_rsa(claims: dict[str, Any], header: dict[str, Any], private: rsa.RSAPrivateKey) -> str:
    """A token signed with RS256, whatever its header has."""
    signed = ".".join(_b64(json.dumps(part).encode()) for part in ({"alg": "RS256", **header}, claims))
    return f"{signed}.{_b64(private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class FakeProvider:
    """What a test sees and moves. Get one from `openid_provider`."""

    def __init__(self) -> None:
        self.issuer = ""
        self.asked: list[str] = []
        """The path of each request."""
        self.sent: list[dict[str, str]] = []
        """What the token endpoint was sent."""
        self.unfreeze = asyncio.Event()
        """Set, and what is slow goes on."""
        self.be_good()

    def be_good(self) -> None:
        """Do everything right from here on."""
        self.person: dict[str, Any] = {
            "sub": "subject-1",
            "email": "Ada@Example.org",
            "email_verified": True,
            "name": "Ada",
        }
        self.claims: dict[str, Any] = {}
        """Claims to change in the next tokens; None leaves one out."""
        self.header: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.private = key("RSA")
        self.keys = [jwk(key("RSA"), kid="one")]
        self.kid: str | None = "one"
        self.discovery: dict[str, Any] = {}
        """Members to change in the discovery document; None leaves one out."""
        self.userinfo: dict[str, Any] | None = None
        self.token: dict[str, Any] = {}
        """Members to change in the token endpoint's answer."""
        self.redirect: dict[str, str | None] = {}
        """Parameters to change in what the browser is sent back with."""
        self.manners: dict[str, str] = {}
        """Path → what is wrong there: slow, drip, 500, redirect, huge, nonsense, deep, compressed."""
        self.knows_codes: dict[str, dict[str, str]] = {}

    @property
    def setting(self) -> dict[str, Any]:
        """How it stands in OPENID_PROVIDERS."""
        return {"issuer": self.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "title": "Example"}

    def signed(self, claims: dict[str, Any]) -> str:
        """A token as the provider signs it."""
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {**({"kid": self.kid} if self.kid else {}), **self.header}
        if self.algorithm == "none":
            return jwt.encode(claims, None, algorithm="none", headers=header)
        if self.algorithm == "HS256":
            return with_hmac(claims, header, public_pem(self.private))
        if not isinstance(header.get("kid", ""), str):
            return with_rsa(claims, header, self.private)
        return jwt.encode(claims, self.private, algorithm=self.algorithm, headers=header)

    def id_token(self, request: dict[str, str], access_token: str) -> str:
        """Who signed in, for the client that asked."""
        at = int(time.time())
        hashed = HASHES.get(self.algorithm, hashlib.sha256)(access_token.encode()).digest()
        return self.signed(
            {
                "iss": self.issuer,
                "aud": request["client_id"],
                "iat": at,
                "exp": at + 300,
                "nonce": request["nonce"],
                "at_hash": _b64(hashed[: len(hashed) // 2]),
                **self.person,
                **self.claims,
            }
        )

    def logout_token(self, **claims: Any) -> str:
        """That somebody has left."""
        at = int(time.time())
        events = {"http://schemas.openid.net/event/backchannel-logout": {}}
        told = {"iss": self.issuer, "aud": CLIENT_ID, "iat": at, "exp": at + 120, "jti": secrets.token_hex(8)}
        return self.signed({**told, "sub": self.person["sub"], "events": events, **claims})

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        path, headers = scope["path"], {name.decode(): value.decode() for name, value in scope["headers"]}
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        body = (await receive()).get("body", b"")  # what it is sent fits one message
        self.asked.append(path)
        manner = self.manners.get(path)
        if manner == "slow":
            await self.unfreeze.wait()
        status, answer, extra = self._answer(path, query, headers, body.decode())
        status, answer, extra = {
            "500": (500, answer, extra),
            "redirect": (302, answer, {"location": f"{self.issuer}/elsewhere{path}"}),
            "huge": (200, answer[:-1] + b', "padding": "' + b"x" * 400_000 + b'"}', extra),
            "deep": (200, b"[" * 200_000, extra),
            "nonsense": (200, b"<html>", extra),
            "compressed": (200, answer, {"content-encoding": "gzip"}),
        }.get(manner or "", (status, answer, extra))
        named = [(name.encode(), value.encode()) for name, value in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": named})
        for _ in range(20 if manner == "drip" else 0):
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.sleep(0.1)
        await send({"type": "http.response.body", "body": answer})

    def _answer(
        self, path: str, query: dict[str, str], headers: dict[str, str], body: str
    ) -> tuple[int, bytes, dict[str, str]]:
        path = path.removeprefix("/elsewhere")
        if path == "/.well-known/openid-configuration":
            told = self._document() | self.discovery
            return _json({name: value for name, value in told.items() if value is not None})
        if path == "/jwks":
            return _json({"keys": self.keys})
        if path == "/authorize":
            return self._authorize(query)
        if path == "/token":
            return self._token({name: values[0] for name, values in parse_qs(body).items()}, headers)
        if path == "/userinfo":
            assert headers["authorization"].startswith("Bearer access-"), headers
            return _json(self.userinfo if self.userinfo is not None else self.person)
        return 404, b"", {}

    def _document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def _authorize(self, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        """Everybody is signed in there already, and agrees."""
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        assert min(len(query[name]) for name in ("state", "nonce", "code_challenge")) >= 43
        code = f"code-{secrets.token_hex(8)}"
        self.knows_codes[code] = query
        told = {"code": code, "state": query["state"], "iss": self.issuer, **self.redirect}
        words = urlencode({name: value for name, value in told.items() if value is not None})
        return 302, b"", {"location": f"{query['redirect_uri']}?{words}"}

    def _token(self, form: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        self.sent.append(form)
        if "authorization" in headers:
            pair = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
            client = tuple(map(unquote_plus, pair.split(":", 1)))
        else:
            client = form.get("client_id"), form.get("client_secret")
        if client != (CLIENT_ID, CLIENT_SECRET):
            return _json({"error": "invalid_client"}, 401)
        request = self.knows_codes.pop(form["code"], None)
        proof = _b64(hashlib.sha256(form["code_verifier"].encode()).digest())
        if request is None or proof != request["code_challenge"] or form["redirect_uri"] != request["redirect_uri"]:
            return _json({"error": "invalid_grant", "error_description": f"bad code {form['code']}"}, 400)
        access_token = f"access-{secrets.token_hex(8)}"
        answer = {"access_token": access_token, "token_type": "Bearer", "expires_in": 300}
        answer["id_token"] = self.id_token(request, access_token)
        return _json({name: value for name, value in (answer | self.token).items() if value is not None})


@asynccontextmanager
async def openid_provider() -> AsyncIterator[FakeProvider]:
    """A running provider."""
    fake = FakeProvider()
    async with running_server(fake, lifespan="off") as url:
        fake.issuer = url
        try:
            yield fake
        finally:
            fake.unfreeze.set()


def _json(value: Any, status: int = 200) -> tuple[int, bytes, dict[str, str]]:
    return status, json.dumps(value).encode(), {"content-type": "application/json"}


def _b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
