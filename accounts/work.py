"""What accounts do beside requests: letters are sent. Opened and closed with the server."""

import asyncio
from weakref import WeakKeyDictionary

from accounts.audit.recording import settle_audit
from accounts.life.beside import settle_beside
from accounts.mail import delivery
from eloquent.foundation.tasks import end_task

# A server process has one event loop; a test process may have a server in each of several.
_tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, list[asyncio.Task[None]]] = WeakKeyDictionary()


async def open_accounts() -> None:
    """Begin."""
    _tasks[asyncio.get_running_loop()] = [asyncio.create_task(delivery.run(), name="letters")]


async def close_accounts() -> None:
    """End, and do and write what is still to be done and recorded."""
    await settle_beside()
    await asyncio.gather(*map(end_task, _tasks.pop(asyncio.get_running_loop(), [])))
    await settle_audit()
