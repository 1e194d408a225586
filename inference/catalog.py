"""The language models offered now: what the configured servers list, remembered for some seconds.

A server that is down or slow hides its own models and nobody else's. Whoever asks while the list is being made anew
gets the last one, so that a slow server, which is asked twice, costs one reader four seconds, once.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from typing import Final

import msgspec
import structlog

from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import Unavailable
from eloquent.foundation.ids import UserId
from eloquent.foundation.membership import groups_of
from eloquent.foundation.patience import asked_twice
from eloquent.foundation.remembered import Remembered
from inference.entries import Decisions, decisions
from inference.errors import InferenceError, ModelNotOffered, ModelUnreachable, NoModelAvailable
from inference.offers import OfferedModel, as_decided, may_use
from inference.providers.base import Embedder, Provider, ProviderModel
from inference.providers.configured import configured_providers

log = structlog.get_logger(__name__)

FRESH_S: Final = 10.0
STALE_S: Final = 60.0
"""A list this old is not served while a new one is made: nobody has asked for a while, and much may have changed."""
LISTING_LIMIT_S: Final = 2.0
PRICED_EVERY_S: Final = 1.0
"""A price that begins is in force so soon."""
UNKNOWN_WINDOW: Final = 4096
"""For a server that does not say: small enough to be true of nearly every model, so that nothing is cut silently."""


class Catalog:
    """The models of some providers. Belongs to one event loop.

    The default is the model named `preferred` (with or without its tag) if it is there, else the first model of the
    first provider that answers. What staff `decided` goes over all of it.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        preferred: str | None = None,
        decided: Remembered[Decisions] | None = None,
    ) -> None:
        self.providers = {provider.name: provider for provider in providers}
        self.unreachable: dict[str, InferenceError] = {}
        """Why a provider is missing from the last list, by its name."""
        self._preferred = preferred
        self._decided = decided
        self._models: list[OfferedModel] = []
        self._last_shown: tuple[list[OfferedModel], Decisions, float, list[OfferedModel]] = ([], {}, 0.0, [])
        self._embedders: list[OfferedModel] = []
        self._listed_at: float | None = None
        self._listing: asyncio.Task[None] | None = None

    async def models(self) -> list[OfferedModel]:
        """The models offered, providers in order of preference, each provider's in its own order."""
        if not self.providers:
            if self._decided is not None:
                await self._decided.current()
            return []
        age = asyncio.get_running_loop().time() - self._listed_at if self._listed_at is not None else None
        if age is None or age >= FRESH_S:
            if self._listing is None or self._listing.done():
                self._listing = asyncio.create_task(self._list(), context=Context())
            if age is None or age >= STALE_S:
                # Shielded: the list is made for everybody, so one reader who leaves does not end it.
                await asyncio.shield(self._listing)
        if self._decided is None:
            return self._models
        decided = await self._decided.current()
        return self._shown(decided) if decided else self._models

    def _shown(self, decided: Decisions) -> list[OfferedModel]:
        """The list with the decisions over it, made anew when either is another, or a price may have begun."""
        at = asyncio.get_running_loop().time()
        listed, by, until, shown = self._last_shown
        if listed is not self._models or by is not decided or at >= until:
            shown = as_decided(self._models, decided, now())
            self._last_shown = (self._models, decided, at + PRICED_EVERY_S, shown)
        return shown

    def require_decisions(self) -> None:
        """Return when what staff decided was read at all.

        Raises:
            Unavailable: it was not, so nobody knows who may use what.
        """
        if self._decided is not None and not self._decided.is_known:
            raise Unavailable(retry_after_s=2)

    async def embedders(self) -> list[OfferedModel]:
        """The models that make vectors, in the same order; none is the default."""
        await self.models()
        decided = {} if self._decided is None else await self._decided.current()
        offered = as_decided(self._embedders, decided, now()) if decided else self._embedders
        return [msgspec.structs.replace(model, default=False) for model in offered]

    async def aclose(self) -> None:
        """End a listing that is running, and the providers."""
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.gather(self._listing, return_exceptions=True)
        if self._decided is not None:
            await self._decided.aclose()
        for provider in self.providers.values():
            await provider.aclose()

    async def _list(self) -> None:
        listings = await asyncio.gather(*(self._models_of(provider) for provider in self.providers.values()))
        found = [
            _offered(provider, model)
            for provider, models in zip(self.providers, listings, strict=True)
            for model in models
        ]
        default = next((m for m in found if self._is_preferred(m)), found[0] if found else None)
        self._models = [msgspec.structs.replace(m, default=m is default) for m in found]
        self._embedders = [
            _offered(name, model)
            for name, provider in self.providers.items()
            if isinstance(provider, Embedder) and name not in self.unreachable
            for model in provider.embedders
        ]
        self._listed_at = asyncio.get_running_loop().time()

    async def _models_of(self, provider: Provider) -> list[ProviderModel]:
        try:
            models = await asked_twice(provider.models, limit_s=LISTING_LIMIT_S)
        except Exception as error:  # noqa: BLE001  (whatever ails one provider, the others are listed)
            if provider.name not in self.unreachable:
                log.warning("%s does not list its models: %r", provider.name, error.__cause__ or error)
            self.unreachable[provider.name] = (
                error if isinstance(error, InferenceError) else ModelUnreachable(provider.name)
            )
            return []
        self.unreachable.pop(provider.name, None)
        return models

    def _is_preferred(self, model: OfferedModel) -> bool:
        if self._preferred is None:
            return False
        wanted, *names = (name.casefold().removesuffix(":latest") for name in (self._preferred, model.id, model.name))
        return wanted in names


async def models_offered() -> list[OfferedModel]:
    """The models that may be chosen now; at most one is the default. Empty when nothing is configured or answers."""
    inserted = [model for model, _ in _inserted if model.capabilities != ("embedding",)]
    listed = await _catalog().models()
    if any(model.default for model in inserted):
        listed = [msgspec.structs.replace(model, default=False) for model in listed]
    return [*inserted, *listed]


async def models_for(user_id: UserId) -> list[OfferedModel]:
    """Those that the user may use. When the default is not among them, the first one is it.

    Raises:
        Unavailable: what staff decided was never read, so who may use which is not known.
    """
    offered = await models_offered()
    _catalog().require_decisions()
    if not any(model.groups for model in offered):
        return offered
    groups = await groups_of(user_id)
    theirs = [model for model in offered if may_use(model, groups)]
    if theirs and not any(model.default for model in theirs):
        theirs[0] = msgspec.structs.replace(theirs[0], default=True)
    return theirs


async def embedders_for(user_id: UserId) -> list[OfferedModel]:
    """The models that make vectors of texts, and that the user may use; a chat's among them if they do both."""
    offered = [model for model, _ in _inserted if "embedding" in model.capabilities] + await _catalog().embedders()
    _catalog().require_decisions()
    if not any(model.groups for model in offered):
        return offered
    groups = await groups_of(user_id)
    return [model for model in offered if may_use(model, groups)]


async def model_named(model_id: str | None, user_id: UserId | None = None) -> OfferedModel:
    """The model with this id, or the default one for None. A bare name will do when only one provider has it.

    For a user, of those that this user may use: another one is not offered to them. None is the operator.

    Raises:
        ModelNotOffered: there is no such model.
        ModelUnreachable: its provider is configured but does not answer at the moment.
        NoModelAvailable: there is no model at all.
    """
    offered = await models_offered() if user_id is None else await models_for(user_id)
    if model_id is None:
        default = next((model for model in offered if model.default), offered[0] if offered else None)
        if default is None:
            raise NoModelAvailable
        return default
    return _named(model_id, offered, none=NoModelAvailable())


async def embedder_named(model_id: str, user_id: UserId) -> OfferedModel:
    """The model with this id that makes vectors; else as `model_named`."""
    return _named(model_id, await embedders_for(user_id), none=ModelNotOffered(model_id))


def _named(model_id: str, offered: Sequence[OfferedModel], *, none: InferenceError) -> OfferedModel:
    for model in offered:
        if model.id == model_id:
            return model
    named = [model for model in offered if model_id in (model.name, model.name.removesuffix(":latest"))]
    if len(named) == 1:
        return named[0]
    provider, _, name = model_id.partition("/")
    down = _catalog().unreachable.get(provider)
    if name and down is not None:
        raise ModelUnreachable(name) from down
    if not offered:
        raise none
    raise ModelNotOffered(model_id)


def provider_of(model: OfferedModel) -> Provider:
    """Who answers for this model.

    Raises:
        ModelNotOffered: its provider is no longer configured.
    """
    for inserted, provider in _inserted:
        if inserted.id == model.id:
            return provider
    try:
        return _catalog().providers[model.provider]
    except KeyError:
        raise ModelNotOffered(model.id) from None


def providers_unreachable() -> dict[str, InferenceError]:
    """Why configured providers are missing from the last list, by provider name. Empty before the first list."""
    return dict(_catalog().unreachable)


@contextmanager
def offering(model: OfferedModel, provider: Provider) -> Iterator[None]:
    """Offer one more model in this process, answered by `provider`, for as long as the block runs."""
    entry = (model, provider)
    _inserted.append(entry)
    try:
        yield
    finally:
        _inserted.remove(entry)


async def close_catalog() -> None:
    """Close this event loop's catalog and its providers: the server calls it when it stops."""
    global _current  # noqa: PLW0603  (one catalog a process: it is a cache)
    if _current is not None and _current[0] is asyncio.get_running_loop():
        _, catalog = _current
        _current = None
        await catalog.aclose()


_inserted: list[tuple[OfferedModel, Provider]] = []
_current: tuple[asyncio.AbstractEventLoop, Catalog] | None = None


def _catalog() -> Catalog:
    global _current  # noqa: PLW0603  (as above)
    loop = asyncio.get_running_loop()
    if _current is None or _current[0] is not loop:
        # Tasks and connections belong to a loop: a command's second asyncio.run starts with a new catalog.
        decided: Remembered[Decisions] = Remembered("the catalog of language models", decisions, {})
        _current = (loop, Catalog(configured_providers(), preferred=get_config().ollama_model, decided=decided))
    return _current[1]


def _offered(provider: str, model: ProviderModel) -> OfferedModel:
    return OfferedModel(
        id=f"{provider}/{model.name}",
        name=model.name,
        provider=provider,
        default=False,
        context_window=model.context_window or UNKNOWN_WINDOW,
        capabilities=model.capabilities,
        loaded=model.loaded,
    )
