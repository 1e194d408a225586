"""The Redis client of the process, when one is configured."""

import asyncio
from weakref import WeakKeyDictionary

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from eloquent.foundation.config import get_config
from eloquent.foundation.telemetry.spans import is_tracing

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()

_CONNECT_TIMEOUT_S = 2.0
_ANSWER_TIMEOUT_S = 5.0


def redis_client() -> Redis | None:
    """The running event loop's client; None when REDIS_URL is not set."""
    url = get_config().redis_url
    if url is None:
        return None
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        kind = Redis
        if is_tracing():
            from eloquent.foundation.telemetry.redis_spans import TracedRedis  # asks about each command

            kind = TracedRedis
        client = kind.from_url(
            url.get_secret_value(),
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            socket_timeout=_ANSWER_TIMEOUT_S,
            health_check_interval=30,
        )
        _clients[loop] = client
    return client


def lone_client(url: str, *, answer_timeout_s: float) -> Redis:
    """A client with one connection of its own that tries nothing twice: whoever uses it sees each loss of Redis."""
    return Redis.from_url(
        url,
        single_connection_client=True,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=answer_timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


async def close_redis() -> None:
    """Close the running loop's client, if one was made."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()
