"""What a provider answers to a sign-in, verified: who it was."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
import structlog

from accounts import store
from accounts.openid.asking import Secrets, fetched, token_for
from accounts.openid.errors import AnswerRefused, Declined
from accounts.openid.id_tokens import Person, TokenRefused, completed, header_of, person_in
from accounts.openid.keys import KeyUnknown, PublicKey
from accounts.openid.published import published_by
from eloquent.foundation.openid_providers import Provider

log = structlog.get_logger(__name__)

MAX_CODE_CHARS: Final = 4096
_Told = TypeVar("_Told")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the browser brings back from the provider. Each is empty when it did not come."""

    state: str = ""
    code: str = ""
    error: str = ""
    issuer: str = ""


async def person_of(provider: Provider, answer: Answer, secrets: Secrets, *, redirect_uri: str) -> Person:
    """Who signed in at the provider.

    Raises:
        Declined: nobody.
        AnswerRefused: something is wrong with the answer; what, is logged.
        ProviderAway: the provider could not be asked.
    """
    metadata = await published_by(provider).metadata.current()
    # RFC 9207: an answer that another provider's page sent here with has that provider's name in it.
    if answer.issuer != provider.issuer and (answer.issuer or metadata.authorization_response_iss_parameter_supported):
        raise _refused(provider, "it comes from another provider")
    if answer.error:
        log.info("openid sign-in declined", provider=provider.name, error=answer.error[:60])
        raise Declined
    if not answer.code or len(answer.code) > MAX_CODE_CHARS:
        raise _refused(provider, "it has no code")
    tokens = await token_for(
        provider,
        metadata.token_endpoint,
        methods=metadata.token_endpoint_auth_methods_supported,
        code=answer.code,
        secrets=secrets,
        redirect_uri=redirect_uri,
    )
    id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
    access_token = access_token if isinstance(access_token, str) else None
    try:
        person = await with_keys_of(
            provider,
            id_token,
            lambda token, keys: person_in(
                token,
                keys,
                issuer=provider.issuer,
                client_id=provider.client_id,
                nonce=secrets.nonce,
                access_token=access_token,
                now_s=time.time(),
            ),
        )
        if not (metadata.userinfo_endpoint and access_token) or await _needs_no_email(person):
            return person
        return completed(person, await fetched(provider, metadata.userinfo_endpoint, bearer=access_token))
    except TokenRefused as error:
        raise _refused(provider, str(error)) from None


async def with_keys_of(provider: Provider, token: object, read: Callable[[str, tuple[PublicKey, ...]], _Told]) -> _Told:
    """What `read` finds in the token, tried again with the provider's newest keys when it knows the key not.

    Raises:
        TokenRefused: the token cannot be believed.
        ProviderAway: the keys cannot be read.
    """
    header_of(token)  # before anybody is asked for keys
    published = published_by(provider)
    try:
        return read(str(token), await published.keys())
    except KeyUnknown:
        try:
            return read(str(token), await published.keys(anew=True))
        except KeyUnknown:
            raise TokenRefused("its key is unknown") from None


async def _needs_no_email(person: Person) -> bool:
    return bool(person.email) or await store.identity_at(person.issuer, person.subject) is not None


def _refused(provider: Provider, why: str) -> AnswerRefused:
    log.warning("an openid provider's answer is refused", provider=provider.name, why=why)
    return AnswerRefused()
