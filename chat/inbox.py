"""What one process asks of another: to stop a run. A word that is lost is made up for by the run's own record."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from bson import ObjectId
from redis.exceptions import RedisError

from eloquent.foundation.ids import RunId
from eloquent.foundation.redis import redis_client
from eloquent.foundation.streams import Entry, StreamReader

_STOP: Final = b"stop"
_MOST_KEPT: Final = 1000
_KEPT_S: Final = 60


class Inbox:
    """Where a worker is told what to do: a Redis Stream of its own."""

    def __init__(self, worker: str) -> None:
        self._key = f"eloquent:worker:{worker}".encode()

    def open(self, reader: StreamReader, *, stop: Callable[[RunId], None]) -> None:
        """Listen: `stop` is called with each run that is to be stopped here."""

        def take(entries: Sequence[Entry]) -> None:
            for _, fields in entries:
                if ObjectId.is_valid(fields.get(_STOP, b"").decode("ascii", "replace")):
                    stop(ObjectId(fields[_STOP].decode("ascii")))

        reader.watch(self._key, after=b"0-0", take=take)

    async def ask_to_stop(self, run_id: RunId) -> None:
        """Put the wish into the worker's inbox. Never raises: without Redis the run's record says it."""
        redis = redis_client()
        if redis is None:
            return
        with contextlib.suppress(RedisError, OSError):
            async with redis.pipeline(transaction=False) as pipe:
                pipe.xadd(self._key, {_STOP: str(run_id)}, maxlen=_MOST_KEPT)
                pipe.expire(self._key, _KEPT_S)
                await pipe.execute()
