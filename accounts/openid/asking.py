"""Asking a provider: over one kind of client that is guarded, bounded and patient for ten seconds.

The issuer is an operator's word, and so is its host, in whichever network it lies. The rest of what a provider says of
itself is not: an address on another host must be a public one, over https. Redirects are not followed. httpx2 and
authlib are imported with the first sign-in, so that who names no provider does without them.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, urlsplit

import msgspec
import structlog

from accounts.openid.errors import AnswerRefused, ProviderAway
from eloquent.foundation.openid_providers import Provider
from eloquent.foundation.ssrf import AddressRefused, AllowedHost, Guard

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import AsyncOAuth2Client

log = structlog.get_logger(__name__)

PATIENCE_S: Final = 10.0
CONNECT_S: Final = 5.0
MOST_BYTES: Final = 256 * 1024
_OK: Final = 200


class Secrets(msgspec.Struct, frozen=True):
    """What only we and the provider know of a sign-in: its nonce, and the verifier of its PKCE challenge."""

    nonce: str
    verifier: str


def page_of(provider: Provider, endpoint: str, *, state: str, secrets: Secrets, redirect_uri: str) -> str:
    """The provider's page for somebody to sign in at."""
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    page: str = prepare_grant_uri(
        endpoint,
        client_id=provider.client_id,
        response_type="code",
        redirect_uri=redirect_uri,
        scope=" ".join(provider.scopes),
        state=state,
        nonce=secrets.nonce,
        code_challenge=create_s256_code_challenge(secrets.verifier),
        code_challenge_method="S256",
    )
    return page


def guard_of(provider: Provider) -> Guard:
    """Says where the provider may be asked."""
    parts = urlsplit(provider.issuer)
    return Guard([AllowedHost(str(parts.hostname), parts.port, provider.is_plain)])


def check_address(provider: Provider, url: str) -> None:
    """Return when a browser, or we, may go to this address of the provider's.

    Raises:
        ProviderAway: it leads where nobody should be sent.
    """
    try:
        guard_of(provider).check(url)
    except AddressRefused as error:
        raise ProviderAway from error


async def fetched(provider: Provider, url: str, *, bearer: str = "") -> bytes:
    """What is at the address.

    Raises:
        ProviderAway: no answer, not in time, too long, not 200.
    """
    async with client_of(provider) as client:
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        response = await client.request("GET", url, headers=headers, withhold_token=True)
        if response.status_code != _OK:
            log.warning("openid provider refuses", provider=provider.name, status=response.status_code)
            raise ProviderAway
        content: bytes = response.content
    return content


async def token_for(
    provider: Provider, endpoint: str, *, methods: tuple[str, ...], code: str, secrets: Secrets, redirect_uri: str
) -> dict[str, Any]:
    """The token endpoint's answer for an authorization code.

    Raises:
        AnswerRefused: the provider does not take the code.
        ProviderAway: as `fetched`.
    """
    from authlib.integrations.base_client import OAuthError

    async with client_of(provider, auth_method=_auth_method(provider, methods)) as client:
        try:
            answer = await client.fetch_token(
                endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=secrets.verifier,
                redirect_uri=redirect_uri,
            )
        except OAuthError as error:
            # Its code is one of RFC 6749's words; its description is the provider's own and may repeat what we sent.
            log.warning("openid provider takes no code", provider=provider.name, error=str(error.error)[:60])
            raise AnswerRefused from None
    return dict(answer)


@asynccontextmanager
async def client_of(provider: Provider, *, auth_method: str | None = None) -> "AsyncIterator[AsyncOAuth2Client]":
    """A client for one exchange; what goes wrong with it is that the provider is away."""
    import httpx2
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    from eloquent.foundation.guarded_http import GuardedTransport

    secret = provider.client_secret
    try:
        async with (
            asyncio.timeout(PATIENCE_S),
            AsyncOAuth2Client(
                provider.client_id,
                secret.get_secret_value() if secret else None,
                token_endpoint_auth_method=auth_method,
                transport=GuardedTransport(guard_of(provider), most_bytes=MOST_BYTES),
                timeout=httpx2.Timeout(PATIENCE_S, connect=CONNECT_S),
                follow_redirects=False,
                event_hooks={"response": [_no_redirect]},
                trust_env=False,
            ) as client,
        ):
            client.register_client_auth_method(("client_secret_basic", _basic))
            yield client
    # The last three are authlib's at what makes no sense: a token that expires in {}, in 1e999, or a thousand brackets.
    except (
        httpx2.HTTPError,
        httpx2.InvalidURL,
        TimeoutError,
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:
        log.warning("openid provider cannot be asked", provider=provider.name, error=type(error).__name__)
        raise ProviderAway from error


async def _no_redirect(response: Any) -> None:
    """Refused whatever stands in its body: who follows the specifications sends none."""
    import httpx2

    if response.is_redirect:
        raise httpx2.TooManyRedirects("a redirect", request=response.request)


def _auth_method(provider: Provider, supported: tuple[str, ...]) -> str:
    """How we say who we are. In the body where that is taken: of the header there are two readings."""
    if provider.client_secret is None:
        return "none"
    return "client_secret_post" if "client_secret_post" in supported else "client_secret_basic"


def _basic(client: Any, _method: str, uri: str, headers: Any, body: str) -> tuple[str, Any, str]:
    """Id and secret in the header, encoded as in forms (RFC 6749, section 2.3.1): authlib leaves that out."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return uri, headers, body
