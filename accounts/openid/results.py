"""What a sign-in at a provider comes to: a session at once, or a one-use code for the page that collects it.

A page on another site cannot use our cookie, which no other site can have sent. It makes a PKCE pair of its own, begins
with the challenge, and collects its tokens with code and verifier: a code that is overheard, or slipped to somebody
else's page, opens nothing. An identity that is to be linked is always collected, by the very session that asked for it.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final

import msgspec
from bson import ObjectId

from accounts import signing_in, store
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.openid import people
from accounts.openid.errors import AccountClosed, CodeRefused
from accounts.openid.id_tokens import Person
from accounts.openid.providers import provider_named
from accounts.second_factor.challenges import Challenge
from accounts.sessions import Grant
from accounts.signing_in import Proof
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.openid_providers import Provider

CODE_LIFETIME: Final = timedelta(seconds=60)


async def let_in(user: store.User, provider: Provider, *, device: Device) -> Grant | Challenge:
    """The one place where a sign-in at a provider becomes one here.

    `provider.second_factor` says whose matter a second factor is. Whoever is asked for one here is answered by
    `collect`, as after a password.
    """
    both_factors = provider.second_factor == "provider"
    return await signing_in.let_in(user, proof=Proof.IDENTITY_PROVIDER, device=device, both_factors=both_factors)


async def keep_sign_in(attempt: store.OpenidAttempt, user: store.User, person: Person) -> str:
    """A code for `collect`."""
    return await _kept(
        store.OpenidResult(
            id=ObjectId(),
            hash="",
            provider=attempt.provider,
            user_id=user.id,
            browser_hash=attempt.browser_hash,
            code_challenge=attempt.code_challenge,
            issuer=person.issuer,
            subject=person.subject,
            expires_at=now() + CODE_LIFETIME,
        )
    )


async def keep_link(provider: Provider, identity: Identity, person: Person) -> str:
    """A code for `collect_link`."""
    return await _kept(
        store.OpenidResult(
            id=ObjectId(),
            hash="",
            provider=provider.name,
            user_id=identity.user_id,
            session_id=identity.session_id,
            issuer=person.issuer,
            subject=person.subject,
            email=person.email,
            expires_at=now() + CODE_LIFETIME,
        )
    )


async def collect(code: str, *, browser_hash: str, verifier: str, device: Device) -> Grant | Challenge:
    """Let in whoever the one-use code was made for, or ask for their second factor first.

    Args:
        code: from the address of the page that was returned to.
        browser_hash: what is stored for the browser that asks.
        verifier: of the challenge that the sign-in was begun with; empty when it was begun without one.
        device: where the request comes from.

    Raises:
        CodeRefused: unknown, used, too old, a link's, of another page or browser, or its identity was unlinked.
        AccountClosed: deactivated meanwhile.
    """
    result = await _taken(code)
    if result.session_id is not None or not _is_asked_by_its_page(result, browser_hash=browser_hash, verifier=verifier):
        raise CodeRefused
    identity = await store.identity_at(result.issuer, result.subject)
    if identity is None or identity.user_id != result.user_id:
        raise CodeRefused
    user = await store.user_by_id(result.user_id)
    if user is None or not user.is_active:
        raise AccountClosed
    return await let_in(user, provider_named(result.provider), device=device)


async def collect_link(code: str, identity: Identity, *, device: Device) -> store.ExternalIdentity:
    """Link what the one-use code was made for to the user who asks.

    Raises:
        CodeRefused: unknown, used, too old, a sign-in's, or of another session.
        IdentityTaken: it opens another account.
        TooManyIdentities: the user has ten.
    """
    result = await _taken(code)
    if (result.user_id, result.session_id) != (identity.user_id, identity.session_id):
        raise CodeRefused
    person = Person(issuer=result.issuer, subject=result.subject, email=result.email)
    return await people.link(identity, person, provider_named(result.provider), device=device)


def _is_asked_by_its_page(result: store.OpenidResult, *, browser_hash: str, verifier: str) -> bool:
    if not result.code_challenge:
        return hmac.compare_digest(result.browser_hash, browser_hash)
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return hmac.compare_digest(result.code_challenge, challenge)


async def _kept(result: store.OpenidResult) -> str:
    code = secrets.token_urlsafe(32)
    await store.add_openid_result(msgspec.structs.replace(result, hash=hash_of(code)))
    return code


async def _taken(code: str) -> store.OpenidResult:
    result = await store.take_openid_result(hash_of(code))
    if result is None or result.expires_at <= now():
        raise CodeRefused
    return result
