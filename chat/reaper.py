"""Brings runs to rest whose worker was lost: their lease is over and nobody renews it."""

import asyncio
from collections.abc import Container
from datetime import timedelta
from typing import Final

import structlog
from msgspec.structs import replace
from pymongo.errors import PyMongoError

from chat import notices, store
from chat.asking import LEASE_S
from chat.errors import AnswerInterrupted
from chat.parts import plain_text
from chat.types import MessageStatus, Run, RunStatus
from eloquent.foundation.clock import now
from eloquent.foundation.ids import RunId

log = structlog.get_logger(__name__)

REAP_EVERY_S: Final = 5.0


async def reap_for_ever(at_work: Container[RunId]) -> None:
    """Look for lost runs every few seconds until cancelled. `at_work` are this process's own runs."""
    while True:
        try:
            await reap(at_work)
        except PyMongoError as error:
            log.warning("reaper waits for the database", error=type(error).__name__)
        await asyncio.sleep(REAP_EVERY_S)


async def reap(at_work: Container[RunId]) -> None:
    """Bring every lost run to rest once.

    A run of this process is never lost, even when the database was away for longer than its lease.
    """
    for run in await store.expired_runs(now()):
        if run.id in at_work:
            continue
        if await store.claim_expired_run(run, lease_expires_at=now() + timedelta(seconds=LEASE_S)):
            await _bring_to_rest(run)


async def _bring_to_rest(run: Run) -> None:
    message = await store.message_of_run(run)
    if message is None:
        await store.forget_run(run)  # the crash came before the answer was written: nothing was ever shown
        return
    await store.show_lost_run(run)
    if message.status is MessageStatus.STREAMING:
        interrupted = AnswerInterrupted()
        problem = {"code": interrupted.code, "detail": interrupted.detail}
        text = plain_text(message.parts)
        message = replace(message, status=MessageStatus.INTERRUPTED, text=text, error=problem)
    rested = replace(
        run,
        status=RunStatus(message.status.value),
        active=False,
        usage=message.usage,
        error=message.error,
        finished_at=now(),
    )
    await store.keep_rest(rested, message)
    notices.tell_finished(rested)
    log.info("lost run brought to rest", run_id=str(run.id), status=message.status.value)
