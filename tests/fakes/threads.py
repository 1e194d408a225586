"""Fake servers for synchronous tests: each serves in a loop of its own, in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def serving_in_a_thread(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """The server, serving. Read its counters; do not await its methods."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()
    serving: list[T] = []

    async def serve() -> None:
        async with server as one:
            serving.append(one)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield serving[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        # What still serves a connection ends with the loop.
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
