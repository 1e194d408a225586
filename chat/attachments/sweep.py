"""Deletes attachments that were never sent, a day after they came: from time to time, in every process.

Two processes that meet at one delete it twice, which is no harm.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from chat import store
from chat.attachments.errors import StorageAway
from chat.attachments.keeping import remove
from eloquent.foundation.clock import now
from eloquent.foundation.database import is_passing

log = structlog.get_logger(__name__)

SWEEP_EVERY_S: Final = 600.0
GRACE: Final = timedelta(hours=1)
"""Another process whose clock is behind may still be sending what has just expired here."""
_AT_ONCE: Final = 100


async def run() -> None:
    """Sweep every ten minutes until cancelled."""
    while True:
        try:
            await sweep()
        except StorageAway as error:
            log.warning("expired attachments wait for their storage", error=repr(error.__cause__))
        except Exception as error:
            if is_passing(error):
                log.warning("expired attachments wait for the database", error=type(error).__name__)
            else:
                log.exception("expired attachments cannot be deleted")
        await asyncio.sleep(SWEEP_EVERY_S)


async def sweep() -> None:
    """Delete every attachment that expired, with its file.

    Raises:
        StorageAway: some could not be deleted; the next sweep meets them again.
    """
    while expired := await store.expired_attachments(now() - GRACE, limit=_AT_ONCE):
        await remove(expired)
        log.info("attachments that were never sent are deleted", many=len(expired))
