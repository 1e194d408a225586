"""Whether an API key opens the door, asked of the database at most once a second for each key.

As with sessions (`accounts.liveness`): a key that is revoked in this process is refused at once, in another one within
KNOWN_S, and so is every key of a user who was deactivated. When a key was used is noted beside the request, not in it.
"""

import asyncio
import re
import time
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec
import structlog
from django.http import HttpRequest
from pymongo.errors import PyMongoError

from accounts import store
from accounts.errors import ApiKeyRefused, ScopeMissing
from accounts.limits import gate
from accounts.store import ApiKey
from accounts.tokens import hash_of
from eloquent.foundation.callers import note_caller
from eloquent.foundation.clock import now
from eloquent.foundation.errors import Unavailable
from eloquent.foundation.ids import ApiKeyId, UserId

log = structlog.get_logger(__name__)

KEY_BEGINS: Final = "sk-eloquent-"
"""`sk-` because some programs take nothing else for a key; the rest so that scanners for leaked keys know ours."""
KNOWN_S: Final = 1.0
USE_NOTED_EVERY: Final = timedelta(minutes=1)

_SCHEME: Final = "bearer "
_SECRET: Final = re.compile(rf"{KEY_BEGINS}[0-9a-f]{{64}}", re.ASCII).fullmatch


class Scope(StrEnum):
    """What a key may be used for."""

    CHAT = "chat"  # have answers written, and vectors made: keys were made for both before the next had a name
    EMBEDDINGS = "embeddings"  # have vectors made
    MODELS = "models"  # see which language models there are


class ApiIdentity(msgspec.Struct, frozen=True):
    """Who is asking: a user, through one of their keys."""

    user_id: UserId
    key_id: ApiKeyId


class _Known(msgspec.Struct, frozen=True):
    key: ApiKey
    until: float  # by the monotonic clock


# By the secrets' hashes; only of keys that are good, so a stranger cannot fill this. The outdated are at the front.
_known: dict[str, _Known] = {}
_reading: dict[str, asyncio.Task[ApiKey | None]] = {}
_noting: set[asyncio.Task[None]] = set()


async def identity_of_api_key(request: HttpRequest, scope: Scope, *others: Scope) -> ApiIdentity:
    """Who asks, by `Authorization: Bearer <API key>`. A key anywhere else, in the address above all, is not looked for.

    Args:
        request: is counted by its key; one whose key lets nobody in, by its address.
        scope: that is needed.
        others: that do as well.

    Raises:
        ApiKeyRefused: the key lets nobody in.
        ScopeMissing: it does, and was not made for this.
        Throttled: the key is used too often, or too many come from the address with keys that let nobody in.
        Unavailable: the database does not answer, and nobody is let in unseen.
    """
    header: str = request.META.get("HTTP_AUTHORIZATION", "")
    try:
        if header[: len(_SCHEME)].lower() != _SCHEME:
            raise ApiKeyRefused("Send an API key: `Authorization: Bearer <key>`.")
        key = await _key_of(header[len(_SCHEME) :].strip())
    except ApiKeyRefused:
        gate.count_stranger(request)
        raise
    note_caller(request, key.user_id, key_id=key.id)
    gate.count_key(request, key.id, key.requests_per_minute)
    if scope.value not in key.scopes and not any(other.value in key.scopes for other in others):
        raise ScopeMissing(f"This API key does not have the scope “{scope}”.")
    return ApiIdentity(key.user_id, key.id)


def forget_api_key(key_hash: str) -> None:
    """Ask the database anew when this key is next used."""
    _known.pop(key_hash, None)
    # A read in flight may have seen the key alive: whoever asks from now on starts another.
    _reading.pop(key_hash, None)


async def settle_api_keys() -> None:
    """Return when every use of a key that is being noted has been."""
    await asyncio.gather(*_noting, return_exceptions=True)


async def _key_of(secret: str) -> ApiKey:
    if not _SECRET(secret):
        raise ApiKeyRefused
    # Found by its hash, of which a guesser chooses no digit: how long that takes tells nothing of any key.
    key_hash = hash_of(secret)
    known = _known.get(key_hash)
    key = known.key if known is not None and known.until >= time.monotonic() else await _read_by_all(key_hash)
    at = now()
    if key is None or (key.expires_at is not None and key.expires_at <= at):
        raise ApiKeyRefused
    _note_use(key_hash, at)
    return key


async def _read_by_all(key_hash: str) -> ApiKey | None:
    """One read for all who ask at the same moment; it goes on when the one who started it is cancelled."""
    task = _reading.get(key_hash)
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        task = _reading[key_hash] = asyncio.create_task(_read(key_hash))
        task.add_done_callback(lambda done: _finished(key_hash, done))
    try:
        return await asyncio.shield(task)
    except PyMongoError as error:
        raise Unavailable(retry_after_s=2) from error


async def _read(key_hash: str) -> ApiKey | None:
    # Counted from before the read, so that no answer is ever used later than KNOWN_S after it was true.
    until = time.monotonic() + KNOWN_S
    key = await store.api_key_in_force(key_hash, at=now())
    if key is not None and _reading.get(key_hash) is asyncio.current_task():
        _remember(key_hash, _Known(key, until))
    return key


def _finished(key_hash: str, task: asyncio.Task[ApiKey | None]) -> None:
    if _reading.get(key_hash) is task:
        del _reading[key_hash]
    if not task.cancelled():
        task.exception()  # fetched here: when everyone who waited has left, nobody else does


def _remember(key_hash: str, known: _Known) -> None:
    _known.pop(key_hash, None)
    _known[key_hash] = known
    now_s = time.monotonic()
    for outdated in [each for each, _ in zip(_known, range(2), strict=False) if _known[each].until < now_s]:
        del _known[outdated]


def _note_use(key_hash: str, at: datetime) -> None:
    # What is known now, not what the caller read: others who waited for the same read may have noted it.
    known = _known.get(key_hash)
    if known is None or (known.key.last_used_at is not None and at - known.key.last_used_at < USE_NOTED_EVERY):
        return
    _known[key_hash] = msgspec.structs.replace(known, key=msgspec.structs.replace(known.key, last_used_at=at))
    noting = asyncio.create_task(_note(known.key.id, at))
    _noting.add(noting)
    noting.add_done_callback(_noting.discard)


async def _note(key_id: ApiKeyId, at: datetime) -> None:
    try:
        await store.note_api_key_used(key_id, at=at, every=USE_NOTED_EVERY)
    except PyMongoError as error:
        log.warning("the use of an API key is not noted", key_id=str(key_id), error=type(error).__name__)
