"""A provider's word that somebody has left (OpenID Connect Back-Channel Logout 1.0): all that lets them in ends here.

All sessions, and not those alone that were opened through the provider: the word comes because somebody left a company,
lost a device, or signed out everywhere, and a session that was opened with a password is as open as another. Browsers
in the staff console as well, and sign-ins that wait for their second step or to be collected. API keys stay: they are
programs', and nobody is asked for them at a provider (decision 45).
"""

import time

import structlog

from accounts import sessions, store, throttle
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.openid.answers import with_keys_of
from accounts.openid.errors import LogoutTokenRefused
from accounts.openid.id_tokens import TokenRefused, departure_in
from accounts.personal_data import desk_sessions
from eloquent.foundation.errors import Throttled
from eloquent.foundation.ids import UserId
from eloquent.foundation.openid_providers import Provider

log = structlog.get_logger(__name__)


async def end_all_of_who_left(provider: Provider, token: str, *, device: Device) -> None:
    """End all that lets the user in whom the logout token names; somebody unknown here has nothing.

    Raises:
        LogoutTokenRefused: the token cannot be believed, or was used before.
        ProviderAway: its keys cannot be read.
    """
    issuer, client_id = provider.issuer, provider.client_id
    try:
        left = await with_keys_of(
            provider,
            token,
            lambda text, keys: departure_in(text, keys, issuer=issuer, client_id=client_id, now_s=time.time()),
        )
        await throttle.spend(throttle.OPENID_LOGOUT_BY_TOKEN, issuer, left.token_id)
    except (TokenRefused, Throttled) as error:
        why = str(error) if isinstance(error, TokenRefused) else "it was used before"
        log.warning("a logout token is refused", provider=provider.name, why=why)
        raise LogoutTokenRefused from None
    try:
        identity = await store.identity_at(issuer, left.subject)
        if identity is not None:
            await _end_all(identity.user_id, device)
    except BaseException:
        # Not done: the provider, which is told so, may send the same one again.
        await throttle.forgive(throttle.OPENID_LOGOUT_BY_TOKEN, issuer, left.token_id)
        raise


async def _end_all(owner: UserId, device: Device) -> None:
    # What is under way before what it would become.
    await store.remove_sign_in_challenges_of(owner)
    await store.remove_openid_results_of(owner)
    await sessions.end_all_sessions(owner, device=device)
    user = await store.user_by_id(owner)
    if user is not None and user.is_staff and (many := await desk_sessions.erase_some(owner)):
        await record(Action.SESSIONS_ENDED, actor=owner, subject=owner, device=device, many=many, console=True)
