"""Tokens that let nobody in, each for a reason of its own, made of ones that did a moment ago."""

import base64
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx
import jwt
from asgiref.sync import sync_to_async
from bson import ObjectId
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from accounts import liveness
from accounts.keyring import key_ring
from accounts.models import User
from accounts.tokens import AUDIENCE, ISSUER, KeyRing
from eloquent.foundation.config import get_config
from eloquent.foundation.keys import make_signing_key
from tests.people import PASSWORD, Person

Refused = Callable[[Person], Awaitable[str | None]]
"""Makes, of a signed-in person, an Authorization header that must not be let in; None for no header at all."""


def named(name: str) -> str:
    """A name that nobody has yet."""
    return f"{name}-{uuid4().hex[:8]}"


async def assert_is_let_in(person: Person) -> None:
    """The person's own token is good: a refusal of what is made of it has its own reason."""
    assert (await person.http.get("/me")).status_code == 200


def _claims(person: Person) -> dict[str, object]:
    token: str = person.tokens["access_token"]
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _signed_anew(person: Person, keys: KeyRing, *, ago_s: float = 0, version: int = 0) -> str:
    claims = _claims(person)
    token = keys.sign(
        user_id=ObjectId(str(claims["sub"])),
        session_id=ObjectId(str(claims["sid"])),
        token_version=version,
        now_s=time.time() - ago_s,
    )
    return f"Bearer {token}"


async def nothing(_person: Person) -> None:
    """No header."""


async def empty(_person: Person) -> str:
    """A header with nothing in it."""
    return ""


async def no_token(_person: Person) -> str:
    """The scheme alone."""
    return "Bearer"


async def garbage(_person: Person) -> str:
    """Three words with dots between them."""
    return "Bearer a.b.c"


async def basic(person: Person) -> str:
    """Email and password, as HTTP's own scheme sends them."""
    return "Basic " + base64.b64encode(f"{person.email}:{PASSWORD}".encode()).decode()


async def expired(person: Person) -> str:
    """Signed by us, an hour ago."""
    return _signed_anew(person, key_ring(), ago_s=3600)


async def of_another_key(person: Person) -> str:
    """Right in every word, and signed by somebody else."""
    return _signed_anew(person, KeyRing.of_pems(make_signing_key()))


async def not_signed(person: Person) -> str:
    """Right in every word, with the algorithm `none`."""
    head, body = _parts(person, "none")
    return f"Bearer {head}.{body}."


async def signed_with_the_public_key(person: Person) -> str:
    """An HMAC whose key is our public key, which everybody has. PyJWT refuses to make one."""
    public = key_ring().keys[0].public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body = _parts(person, "HS256")
    return f"Bearer {head}.{body}.{_base64url(hmac.digest(public, f'{head}.{body}'.encode(), 'sha256'))}"


def _parts(person: Person, algorithm: str) -> tuple[str, str]:
    head = {"alg": algorithm, "typ": "JWT", "kid": key_ring().keys[0].kid}
    return _base64url(json.dumps(head).encode()), _base64url(json.dumps(_claims(person)).encode())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def for_another_audience(person: Person) -> str:
    """Signed with our key, for somebody else's service."""
    private = get_config().jwt_private_key.get_secret_value()
    claims = {**_claims(person), "aud": f"not-{AUDIENCE}", "iss": ISSUER}
    return "Bearer " + jwt.encode(claims, private, algorithm="RS256", headers={"kid": key_ring().keys[0].kid})


async def of_a_later_version(person: Person) -> str:
    """A token version that is not in force yet."""
    return _signed_anew(person, key_ring(), version=7)


async def of_a_revoked_session(person: Person) -> str:
    """Good until its session was ended, from another device."""
    token = person.tokens["access_token"]
    other = await _signed_in_again(person)
    sessions = (await person.ok("GET", "/auth/sessions"))["items"]
    own = next(session["id"] for session in sessions if session["current"])
    await other.ok("DELETE", f"/auth/sessions/{own}", 204)
    await other.http.aclose()
    return f"Bearer {token}"


async def of_an_earlier_password(person: Person) -> str:
    """Good until the password was changed."""
    token = person.tokens["access_token"]
    change = {"current_password": PASSWORD, "new_password": f"{PASSWORD}, changed"}
    await person.ok("POST", "/auth/password/change", json=change)
    return f"Bearer {token}"


def a_second_later() -> None:
    """What was found of a session is believed for a second where no notice comes of its end."""
    liveness.forget(*liveness._known)


async def of_somebody_deactivated(person: Person) -> str:
    """Good until the account was deactivated; `save` would raise the version of its tokens as well."""
    await sync_to_async(User.objects.filter(email=person.email).update)(is_active=False)
    a_second_later()
    return f"Bearer {person.tokens['access_token']}"


async def of_somebody_deleted(person: Person) -> str:
    """Good until the account was deleted."""
    await sync_to_async(lambda: User.objects.get(email=person.email).delete())()
    return f"Bearer {person.tokens['access_token']}"


async def an_api_key(person: Person) -> str:
    """A key for programs, which opens another door."""
    key = await person.ok(
        "POST", "/me/api-keys", 201, json={"current_password": PASSWORD, "name": "Editor", "scopes": ["chat", "models"]}
    )
    return f"Bearer {key['secret']}"


async def a_refresh_token(person: Person) -> str:
    """Good for one exchange, and nothing else."""
    return f"Bearer {person.tokens['refresh_token']}"


async def a_socket_ticket(person: Person) -> str:
    """Good for one socket, and nothing else."""
    return f"Bearer {(await person.ok('POST', '/auth/socket-ticket', 201))['ticket']}"


async def _signed_in_again(person: Person) -> Person:
    other = Person(person.server, "")
    async with httpx.AsyncClient(base_url=f"{person.server}/api/v1", timeout=30) as client:
        answer = await client.post("/auth/login", json={"email": person.email, "password": PASSWORD})
    other.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return other


REFUSED: list[Refused] = [
    nothing,
    empty,
    no_token,
    garbage,
    basic,
    expired,
    of_another_key,
    not_signed,
    signed_with_the_public_key,
    for_another_audience,
    of_a_later_version,
    of_a_revoked_session,
    of_an_earlier_password,
    of_somebody_deactivated,
    of_somebody_deleted,
    an_api_key,
    a_refresh_token,
    a_socket_ticket,
]
