"""A sign-in at a provider from its begin to its end: authorization code with PKCE, state and nonce.

    begin ──► the provider's page ──► take ──► arrive ──► a session, or a code that the page collects its result with

State, nonce and verifier stay here. The state is good once, for ten minutes, and in the browser that began alone. A
link to a signed-in user needs no browser: whoever comes back, only the session that asked can collect it, so nobody can
have another person's sign-in attached to their own account, nor theirs to another's.
"""

import secrets
from datetime import timedelta
from typing import Final

import msgspec
from bson import ObjectId

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.openid import people, results
from accounts.openid.answers import Answer, person_of
from accounts.openid.asking import Secrets, page_of
from accounts.openid.errors import AttemptUnknown, IdentityTaken
from accounts.openid.id_tokens import Person
from accounts.openid.published import published_by
from accounts.sessions import Grant
from accounts.signing_in import Proof
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.errors import EloquentError
from eloquent.foundation.openid_providers import Provider
from eloquent.foundation.sealing import SealBroken, seal, unseal

ATTEMPT_LIFETIME: Final = timedelta(minutes=10)
_SEALED_FOR: Final = "openid attempt"


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign-in came to: a grant, or a code for `results.collect`, or one for `results.collect_link`."""

    grant: Grant | None = None
    code: str = ""
    link_code: str = ""


async def begin(
    provider: Provider,
    *,
    redirect_uri: str,
    next_url: str,
    browser_hash: str = "",
    code_challenge: str = "",
    identity: Identity | None = None,
) -> str:
    """The provider's page to open.

    Args:
        provider: where to sign in.
        redirect_uri: our own address that the provider knows.
        next_url: the page to go on at, which is one that we send people to.
        browser_hash: of the secret of the browser that begins. Without one, `identity` is needed.
        code_challenge: the page's PKCE challenge (S256), when it collects the result itself.
        identity: the user to link to, and the session that asks.

    Raises:
        ProviderAway: the provider does not say where its page is.
    """
    metadata = await published_by(provider).metadata.current()
    state, told = secrets.token_urlsafe(32), Secrets(secrets.token_urlsafe(32), secrets.token_urlsafe(48))
    await store.add_openid_attempt(
        store.OpenidAttempt(
            id=ObjectId(),
            hash=hash_of(state),
            browser_hash=browser_hash,
            provider=provider.name,
            sealed=seal(msgspec.json.encode(told), _SEALED_FOR),
            redirect_uri=redirect_uri,
            next_url=next_url,
            code_challenge=code_challenge,
            user_id=identity.user_id if identity else None,
            session_id=identity.session_id if identity else None,
            expires_at=now() + ATTEMPT_LIFETIME,
        )
    )
    return page_of(provider, metadata.authorization_endpoint, state=state, secrets=told, redirect_uri=redirect_uri)


async def take(provider: Provider, state: str, *, browser_hash: str) -> store.OpenidAttempt:
    """The attempt that the state belongs to, which is used up.

    Raises:
        AttemptUnknown: none, too old, another provider's, or another browser's.
    """
    attempt = await store.take_openid_attempt(hash_of(state), browser_hash=browser_hash) if state else None
    if attempt is None or attempt.expires_at <= now() or attempt.provider != provider.name:
        raise AttemptUnknown
    return attempt


async def arrive(provider: Provider, attempt: store.OpenidAttempt, answer: Answer, *, device: Device) -> Arrival:
    """What becomes of a sign-in that comes back. A refusal is recorded.

    Raises:
        SignInRefused: nobody is let in.
        ProviderAway: the provider could not be asked.
        IdentityTaken: it was to be linked, and opens another account.
        WrongCredentials: the account was deactivated at this moment.
    """
    try:
        person = await person_of(provider, answer, _unsealed(attempt), redirect_uri=attempt.redirect_uri)
        if attempt.user_id is not None and attempt.session_id is not None:
            identity = Identity(attempt.user_id, attempt.session_id)
            return Arrival(link_code=await _link_code(provider, identity, person))
        user = await people.account_of(person, provider, device=device)
        if not attempt.code_challenge:
            outcome = await results.let_in(user, provider, device=device)
            if isinstance(outcome, Grant):
                return Arrival(grant=outcome)
        # The page collects it: it wants to, or there is another step for it to show.
        return Arrival(code=await results.keep_sign_in(attempt, user, person))
    except EloquentError as error:
        await record(
            Action.SIGN_IN_FAILED,
            subject=attempt.user_id,
            device=device,
            proof=Proof.IDENTITY_PROVIDER,
            provider=provider.name,
            reason=error.code,
        )
        raise


async def _link_code(provider: Provider, identity: Identity, person: Person) -> str:
    there = await store.identity_at(person.issuer, person.subject)
    if there is not None and there.user_id != identity.user_id:
        raise IdentityTaken
    return await results.keep_link(provider, identity, person)


def _unsealed(attempt: store.OpenidAttempt) -> Secrets:
    try:
        return msgspec.json.decode(unseal(attempt.sealed, _SEALED_FOR), type=Secrets)
    except SealBroken:  # SECRET_KEY was changed in these ten minutes
        raise AttemptUnknown from None
