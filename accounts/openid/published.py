"""What a provider publishes: its discovery document and its keys. Read when first needed, and kept for an hour.

While it cannot be read anew, what was read goes on being good for a day: a provider that is away for a minute need not
show. A provider that does not answer is left alone for a few seconds, so that people wait for it one after the other
only once. A key that is not known is looked for anew, once a minute at most: nobody can have us ask without end by
making up key ids.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar
from weakref import WeakKeyDictionary

import msgspec
import structlog

from accounts.openid.asking import check_address, fetched
from accounts.openid.errors import ProviderAway
from accounts.openid.keys import PublicKey, keys_in
from eloquent.foundation.openid_providers import Provider

log = structlog.get_logger(__name__)

FRESH_S: Final = 3600.0
GOOD_S: Final = 86_400.0
LEFT_ALONE_S: Final = 5.0
ANEW_S: Final = 60.0

_Value = TypeVar("_Value")


class Metadata(msgspec.Struct, frozen=True):
    """The parts that we use of a discovery document (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    # What a provider takes that does not say.
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Kept(Generic[_Value]):
    """What `read` returned last. Belongs to one event loop; one reading at a time."""

    def __init__(self, read: Callable[[], Awaitable[_Value]]) -> None:
        self._read = read
        self._lock = asyncio.Lock()
        self._value: _Value | None = None
        self._read_at = self._asked_at = -GOOD_S

    async def current(self) -> _Value:
        """At most an hour old; a day when it cannot be read.

        Raises:
            ProviderAway: it cannot be read, and never was, or not for a day.
        """
        async with self._lock:
            if self._value is None or _age(self._read_at) >= FRESH_S:
                await self._read_unless_just_asked(LEFT_ALONE_S)
            if self._value is None or _age(self._read_at) >= GOOD_S:
                raise ProviderAway
            return self._value

    async def anew(self) -> _Value:
        """Read now, unless it was within the last minute.

        Raises:
            ProviderAway: as `current`.
        """
        async with self._lock:
            await self._read_unless_just_asked(ANEW_S)
        return await self.current()

    async def _read_unless_just_asked(self, pause_s: float) -> None:
        if _age(self._asked_at) < pause_s:
            return
        self._asked_at = time.monotonic()
        try:
            value = await self._read()
        except ProviderAway as error:
            log.warning("what an openid provider publishes cannot be read", cause=repr(error.__cause__)[:300])
            return
        finally:
            # Its own slowness does not count as a pause.
            self._asked_at = time.monotonic()
        self._value, self._read_at = value, self._asked_at


class Published:
    """Both documents of one provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.metadata = Kept(self._read_metadata)
        self._keys = Kept(self._read_keys)

    async def keys(self, *, anew: bool = False) -> tuple[PublicKey, ...]:
        """The keys that sign.

        Raises:
            ProviderAway: they cannot be read.
        """
        return await (self._keys.anew() if anew else self._keys.current())

    async def _read_metadata(self) -> Metadata:
        provider = self._provider
        content = await fetched(provider, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            metadata = msgspec.json.decode(content, type=Metadata)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ProviderAway from error
        if metadata.issuer != provider.issuer:
            raise ProviderAway from ValueError(f"its issuer is {metadata.issuer[:200]}, not {provider.issuer}")
        for address in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            check_address(provider, address)
        if metadata.userinfo_endpoint:
            check_address(provider, metadata.userinfo_endpoint)
        return metadata

    async def _read_keys(self) -> tuple[PublicKey, ...]:
        content = await fetched(self._provider, (await self.metadata.current()).jwks_uri)
        try:
            keys = keys_in(content)
        except ValueError as error:
            raise ProviderAway from error
        if not keys:
            raise ProviderAway from ValueError("none of its keys can be used")
        return keys


# A lock belongs to its loop; a server process has one.
_all: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Published]] = WeakKeyDictionary()


def published_by(provider: Provider) -> Published:
    """What the provider publishes, as it is known here."""
    known = _all.setdefault(asyncio.get_running_loop(), {})
    if provider.issuer not in known:
        known[provider.issuer] = Published(provider)
    return known[provider.issuer]


def forget_published() -> None:
    """Read everything anew when it is next needed."""
    _all.clear()


def _age(moment: float) -> float:
    return time.monotonic() - moment
