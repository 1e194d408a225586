"""The queues of this process, one in front of each server that has a limit."""

import asyncio
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from eloquent.foundation.config import get_config
from eloquent.foundation.redis import redis_client
from inference.admission.bell import Bell
from inference.admission.limits import Limit, limit_of
from inference.admission.queue import LEASE_S, Queue
from inference.admission.shared import SharedLine
from inference.errors import ModelBusy


class _Queues:
    def __init__(self) -> None:
        self.by_name: dict[str, Queue] = {}
        self.limits: dict[str, Limit] = {}
        self.bell: Bell | None = None


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queues] = WeakKeyDictionary()


def queue_of(server: str) -> Queue | None:
    """The queue in front of the server with this name (`providers.base.Host`); None when it has no limit."""
    limit = limit_of(server)
    if limit is None:
        return None
    queues = _of_loop.setdefault(asyncio.get_running_loop(), _Queues())
    if queues.limits.get(server) != limit:
        redis, url = redis_client(), get_config().redis_url
        shared = None if redis is None else SharedLine(redis, server, limit, lease_s=LEASE_S)
        queues.by_name[server], queues.limits[server] = Queue(server, limit, shared=shared), limit
        if url is not None and queues.bell is None:
            queues.bell = Bell(url.get_secret_value(), queues.by_name)
    return queues.by_name[server]


async def require_room_at(servers: Sequence[str], *, model: str) -> None:
    """Return when one of the servers has room for one more call, at work or waiting.

    Raises:
        ModelBusy: none has any.
    """
    queues = [queue for queue in map(queue_of, servers) if queue is not None]
    for queue in queues:
        if not await queue.is_full():
            return
    if queues:
        raise ModelBusy(model, retry_after_s=min(queue.retry_after_s() for queue in queues), asked=False)


async def close_queues() -> None:
    """Give back what this event loop's queues hold: before the Redis client is closed."""
    queues = _of_loop.pop(asyncio.get_running_loop(), None)
    if queues is None:
        return
    for queue in queues.by_name.values():
        await queue.aclose()
    if queues.bell is not None:
        await queues.bell.aclose()
