"""Hears that a line in Redis has changed, for the queues of this process: one connection, however many queues."""

import asyncio
import contextlib
from collections.abc import Mapping
from contextvars import Context
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from eloquent.foundation.redis import lone_client
from eloquent.foundation.tasks import end_task
from inference.admission.queue import Queue
from inference.admission.shared import RUNG

log = structlog.get_logger(__name__)

_LISTENED_S: Final = 15.0
_ANSWER_S: Final = 5.0
_RETRY_FIRST_S: Final = 0.05
_RETRY_MOST_S: Final = 1.0


class Bell:
    """Rings the queues, which its owner may add to. While it is deaf they find out by their renewals."""

    def __init__(self, url: str, queues: Mapping[str, Queue]) -> None:
        self._redis: Redis = lone_client(url, answer_timeout_s=_ANSWER_S)
        self._queues = queues
        # A context of its own: it outlives the request that it was made in.
        self._task = asyncio.create_task(self._listen(), name="bell of the queues", context=Context())

    async def aclose(self) -> None:
        """Listen no more. The queues stay as they are; Redis being away is no reason to fail."""
        await end_task(self._task)
        with contextlib.suppress(RedisError, OSError):
            await self._redis.aclose()

    async def _listen(self) -> None:
        wait_s = _RETRY_FIRST_S
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(RUNG)
                    wait_s = _RETRY_FIRST_S
                    while True:
                        message = await pubsub.get_message(timeout=_LISTENED_S)
                        if message is None:
                            await pubsub.ping()
                        elif message["type"] == "subscribe":
                            # What was said before that is lost.
                            for queue in self._queues.values():
                                queue.ring((), lost=True)
                        elif message["type"] == "message":
                            name, *admitted = message["data"].decode().split(" ")
                            if name in self._queues:
                                self._queues[name].ring(admitted)
            except Exception as error:  # noqa: BLE001 - whatever it is, the queues depend on going on
                log.debug("the queues are not listened for", error=repr(error))
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _RETRY_MOST_S)
