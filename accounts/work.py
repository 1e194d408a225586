"""What accounts do beside requests: letters, counts, keys, who is here, erasures, exports.

Opened and closed with the server.
"""

import asyncio
from weakref import WeakKeyDictionary

from accounts import admitted, keyring
from accounts.audit.recording import settle_audit
from accounts.life.beside import settle_beside
from accounts.limits.gate import close_limits
from accounts.limits.guessing import settle_guessing
from accounts.mail import delivery
from accounts.personal_data import erasing, exporting
from eloquent.foundation.tasks import end_task

# A server process has one event loop; a test process may have a server in each of several.
_tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, list[asyncio.Task[None]]] = WeakKeyDictionary()


async def open_accounts() -> None:
    """Start what goes on beside requests, in the running loop: letters, signing keys, who is here, erasures, exports.

    `close_accounts` ends it, in the same loop.
    """
    _tasks[asyncio.get_running_loop()] = [
        asyncio.create_task(delivery.run(), name="letters"),
        asyncio.create_task(keyring.run(revoked=admitted.doubt_all), name="signing keys"),
        asyncio.create_task(admitted.run(), name="who is here"),
        asyncio.create_task(erasing.run(), name="erasures"),
        asyncio.create_task(exporting.run(), name="exports"),
    ]


async def close_accounts() -> None:
    """End, and do, tell and write what is still to be done, told and recorded."""
    await settle_beside()
    await close_limits()
    await settle_guessing()
    await asyncio.gather(*map(end_task, _tasks.pop(asyncio.get_running_loop(), [])))
    await settle_audit()
