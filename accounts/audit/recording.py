"""Recording what happened: into the chain, and as a line in the log.

`record` is for coroutines, `record_from_desk` for synchronous code. The event has happened by then, so a recording
never makes a request fail: while MongoDB is away the entry waits in memory and is written when it is back. The line in
the log (logger `eloquent.audit`) is written at once.
"""

import asyncio
import random
import time
from contextvars import Context
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog
from django.db import IntegrityError
from pymongo.errors import PyMongoError

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.chain import chained, head_at
from accounts.audit.entries import AuditEntry, Event, event_of
from accounts.devices import Device, device_var
from eloquent.foundation.clock import now
from eloquent.foundation.ids import UserId
from eloquent.foundation.logs import request_id_of
from eloquent.foundation.sealing import derived_keys

audit_log = structlog.get_logger("eloquent.audit")
log = structlog.get_logger(__name__)

KEY_PURPOSE: Final = "audit chain"
WAITED_FOR_S: Final = 2.0
MOST_TOGETHER: Final = 100
MOST_WAITING: Final = 10_000
_TRY_AGAIN_S: Final = 1.0
_DESK_ATTEMPTS: Final = 50


async def record(
    action: Action,
    *,
    actor: UserId | None = None,
    subject: UserId | None = None,
    device: Device | None = None,
    target: str = "",
    email: str = "",
    **facts: Any,
) -> None:
    """Record an event; it is in the chain when this returns, unless the database is slow or away.

    Args:
        action: what happened.
        actor: who did it, where that is known.
        subject: the user whom it is about.
        device: where the request came from.
        target: the object it is about, `kind:id`.
        email: kept apart, as the device is: both go when the person is erased.
        facts: small values that say nothing of a person.
    """
    event = _told(
        event_of(
            action,
            at=now(),
            actor=actor,
            subject=subject,
            target=target,
            request_id=request_id_of(),
            device=device,
            email=email,
            facts=facts,
        )
    )
    writing = asyncio.ensure_future(_writer().write(event))
    await asyncio.wait([writing], timeout=WAITED_FOR_S)


def record_from_desk(
    action: Action,
    *,
    actor: UserId | None = None,
    subject: UserId | None = None,
    device: Device | None = None,
    target: str = "",
    email: str = "",
    **facts: Any,
) -> None:
    """As `record`, for the admin and commands."""
    event = _told(
        event_of(
            action,
            at=now(),
            actor=actor,
            subject=subject,
            target=target,
            request_id=request_id_of(),
            device=device or device_var.get(),
            email=email,
            facts=facts,
        )
    )
    try:
        _append_from_desk(event)
    except Exception:
        # It has happened: nothing is left to be refused. The line in the log has it.
        log.exception("an event could not be recorded", action=action.value)


async def settle_audit() -> None:
    """Return when nothing waits to be written, or cannot be written now."""
    await _writer().settle()


def _told(event: Event) -> Event:
    people = {"actor": str(event.actor_id or ""), "subject": str(event.subject_id or "")}
    audit_log.info(event.action.value, **people, target=event.target, facts=event.facts)
    return event


class _Writer:
    """Writes this event loop's entries, those that come together in one command."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._stuck = False

    async def write(self, event: Event) -> None:
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= MOST_WAITING:
            log.error("an event is not recorded: too many wait", action=event.action.value)
            return
        self._waiting.append((event, written))
        if self._task is None or self._task.done():
            # A context of its own: it writes for everybody, and its lines of the log are not the first one's.
            self._task = asyncio.create_task(self._write_all(), name="audit", context=Context())
        await written

    async def settle(self) -> None:
        while self._task is not None and not self._task.done() and not self._stuck:
            await asyncio.wait([self._task], timeout=0.01)
        if self._task is not None and not self._task.done():
            log.error("events are not recorded: the database is away", many=len(self._waiting))
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _write_all(self) -> None:
        while self._waiting:
            together = self._waiting[:MOST_TOGETHER]
            try:
                added = await _append([event for event, _ in together])
            except PyMongoError as error:
                self._stuck = True
                log.warning("events wait to be recorded", many=len(self._waiting), error=type(error).__name__)
                await asyncio.sleep(_TRY_AGAIN_S)
                continue
            except Exception:
                log.exception("events could not be recorded", actions=[event.action.value for event, _ in together])
                added = len(together)
            self._stuck = False
            del self._waiting[:added]
            for _, written in together[:added]:
                if not written.done():
                    written.set_result(None)


async def _append(events: list[Event]) -> int:
    """Write the first of the events, and as many of the others as nobody comes in between; how many that were."""
    key = derived_keys(KEY_PURPOSE)[0]
    entries = chained(events, behind=await store.last_audit_entry(), key=key)
    added = await store.add_audit_entries(entries)
    if added:
        await store.move_audit_head(head_at(entries[added - 1], key=key))
    return added


def _append_from_desk(event: Event) -> None:
    from accounts import models  # needs the apps, which may not be ready when this module is read

    key = derived_keys(KEY_PURPOSE)[0]
    fields = AuditEntry.__struct_fields__
    for _ in range(_DESK_ATTEMPTS):
        row = models.AuditEntry.objects.order_by("-number").first()
        behind = None if row is None else AuditEntry(**{name: getattr(row, name) for name in fields})
        [entry] = chained([event], behind=behind, key=key)
        try:
            models.AuditEntry.objects.create(**{name: getattr(entry, name) for name in fields})
        except IntegrityError:  # another was first with this number
            time.sleep(random.uniform(0, 0.01))  # noqa: S311 - not for secrets
            continue
        head = head_at(entry, key=key)
        values = {name: getattr(head, name) for name in ("number", "hash", "key_id", "signature")}
        _, made = models.AuditHead.objects.get_or_create(id=head.id, defaults=values)
        if not made:
            models.AuditHead.objects.filter(id=head.id, number__lt=head.number).update(**values)
        return
    log.error("an event is not recorded: others were always first", action=event.action.value)


# A connection belongs to its loop, and so do those who wait.
_writers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Writer] = WeakKeyDictionary()


def _writer() -> _Writer:
    loop = asyncio.get_running_loop()
    writer = _writers.get(loop)
    if writer is None:
        writer = _writers[loop] = _Writer()
    return writer
