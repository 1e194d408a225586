"""What accounts do beside requests: letters, erasures, exports. Opened and closed with the server."""

import asyncio
from weakref import WeakKeyDictionary

from accounts.audit.recording import settle_audit
from accounts.mail import delivery
from accounts.personal_data import erasing, exporting
from eloquent.foundation.tasks import end_task

# A server process has one event loop; a test process may have a server in each of several.
_tasks: WeakKeyDictionary[asyncio.AbstractEventLoop, list[asyncio.Task[None]]] = WeakKeyDictionary()


async def open_accounts() -> None:
    """Begin."""
    work = {"letters": delivery.run, "erasures": erasing.run, "exports": exporting.run}
    _tasks[asyncio.get_running_loop()] = [asyncio.create_task(run(), name=name) for name, run in work.items()]


async def close_accounts() -> None:
    """End, and write what is still to be recorded."""
    await asyncio.gather(*map(end_task, _tasks.pop(asyncio.get_running_loop(), [])))
    await settle_audit()
