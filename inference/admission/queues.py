"""The queues of this process, one in front of each server that has a limit."""

import asyncio
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


def queue_of(provider: str) -> Queue | None:
    """The queue in front of the provider with this name; None when it has no limit."""
    limit = limit_of(provider)
    if limit is None:
        return None
    queues = _of_loop.setdefault(asyncio.get_running_loop(), _Queues())
    if queues.limits.get(provider) != limit:
        redis, url = redis_client(), get_config().redis_url
        shared = None if redis is None else SharedLine(redis, provider, limit, lease_s=LEASE_S)
        queues.by_name[provider], queues.limits[provider] = Queue(provider, limit, shared=shared), limit
        if url is not None and queues.bell is None:
            queues.bell = Bell(url.get_secret_value(), queues.by_name)
    return queues.by_name[provider]


async def require_room_at(provider: str, *, model: str) -> None:
    """Return when the provider's server has room for one more call, at work or waiting.

    Raises:
        ModelBusy: it has none.
    """
    queue = queue_of(provider)
    if queue is not None and await queue.is_full():
        raise ModelBusy(model, retry_after_s=queue.retry_after_s(), asked=False)


async def close_queues() -> None:
    """Give back what this event loop's queues hold: before the Redis client is closed."""
    queues = _of_loop.pop(asyncio.get_running_loop(), None)
    if queues is None:
        return
    for queue in queues.by_name.values():
        await queue.aclose()
    if queues.bell is not None:
        await queues.bell.aclose()
