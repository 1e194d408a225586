"""API keys: what a user makes so that a program may come in at `/v1`. Made, listed, changed, revoked.

A key opens `/v1` and nothing else, and there only what its scopes name. It stays good when its owner's password
changes, and is refused while its owner is deactivated.
"""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from accounts import store
from accounts.api_key_access import KEY_BEGINS, Scope, forget_api_key
from accounts.errors import TooManyApiKeys
from accounts.store import ApiKey, Position
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.errors import NotFound
from eloquent.foundation.ids import ApiKeyId, UserId

MOST_OF_A_USER: Final = 20
_RANDOM_BYTES: Final = 32
# Eight random digits tell a user's keys apart and leave 224 bits to guess.
_SHOWN_CHARS: Final = len(KEY_BEGINS) + 8
_NO_SUCH_KEY: Final = "There is no such API key."


async def create_api_key(
    owner: UserId,
    *,
    name: str,
    scopes: Iterable[Scope],
    expires_at: datetime | None,
    requests_per_minute: int | None = None,
) -> tuple[ApiKey, str]:
    """A new key of the owner, and its secret, which nobody can read again.

    Raises:
        TooManyApiKeys: the owner has MOST_OF_A_USER living ones.
    """
    secret = KEY_BEGINS + secrets.token_hex(_RANDOM_BYTES)
    at = now()
    key = ApiKey(
        id=ObjectId(),
        user_id=owner,
        name=name,
        prefix=secret[:_SHOWN_CHARS],
        hash=hash_of(secret),
        scopes=_written(scopes),
        created_at=at,
        expires_at=expires_at,
        requests_per_minute=requests_per_minute,
    )
    await store.add_api_key(key)
    # Counted when it is there: of many who add one at once, whoever counts last sees all the others.
    if await store.count_living_api_keys_of(owner, at=at) > MOST_OF_A_USER:
        await store.take_back_api_key(owner, key.id)
        raise TooManyApiKeys
    return key, secret


async def api_keys_of(owner: UserId, *, after: Position | None, limit: int) -> list[ApiKey]:
    """The owner's keys that still open the door, newest first, those after the position."""
    return await store.living_api_keys_of(owner, at=now(), after=after, limit=limit)


async def change_api_key(owner: UserId, key_id: ApiKeyId, changes: dict[str, Any]) -> ApiKey:
    """The key with another name, scopes or requests a minute: here at once, in other processes within a second.

    Raises:
        NotFound: as for `revoke_api_key`.
    """
    if "scopes" in changes:
        changes = {**changes, "scopes": _written(changes["scopes"])}
    key = await store.change_api_key(owner, key_id, changes, at=now())
    if key is None:
        raise NotFound(_NO_SUCH_KEY)
    forget_api_key(key.hash)
    return key


async def revoke_api_key(owner: UserId, key_id: ApiKeyId) -> None:
    """From now on nobody comes in with this key: here at once, in other processes within a second.

    Raises:
        NotFound: no living key with this id, or another user's: the caller cannot tell which.
    """
    key = await store.revoke_api_key(owner, key_id, at=now())
    if key is None:
        raise NotFound(_NO_SUCH_KEY)
    forget_api_key(key.hash)


def _written(scopes: Iterable[Scope]) -> list[str]:
    return sorted({scope.value for scope in scopes})
