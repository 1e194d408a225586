"""A provider's word that somebody has left there (OpenID Connect Back-Channel Logout 1.0): all their sessions end here.

All, and not those alone that were opened through the provider: the word comes because somebody left a company, lost a
device, or signed out everywhere, and a session that was opened with a password is as open as another.
"""

import time

import structlog

from accounts import sessions, store
from accounts.devices import Device
from accounts.openid.answers import with_keys_of
from accounts.openid.errors import LogoutTokenRefused
from accounts.openid.id_tokens import TokenRefused, subject_that_left
from eloquent.foundation.openid_providers import Provider

log = structlog.get_logger(__name__)


async def end_sessions_of_who_left(provider: Provider, token: str, *, device: Device) -> None:
    """End all sessions of the user whom the logout token names; somebody unknown here has none.

    Raises:
        LogoutTokenRefused: the token cannot be believed.
        ProviderAway: its keys cannot be read.
    """
    issuer, client_id = provider.issuer, provider.client_id
    try:
        subject = await with_keys_of(
            provider,
            token,
            lambda text, keys: subject_that_left(text, keys, issuer=issuer, client_id=client_id, now_s=time.time()),
        )
    except TokenRefused as error:
        log.warning("a logout token is refused", provider=provider.name, why=str(error))
        raise LogoutTokenRefused from None
    identity = await store.identity_at(issuer, subject)
    if identity is not None:
        await sessions.end_all_sessions(identity.user_id, device=device)
