"""The one way to an answer: who answers for a model, how often one asks, who stands in, and the clocks of all of them.

    answer ─▶ the model, then its fallbacks ─▶ up to three attempts each, before the first token ─▶ queue, call

A model that had begun and breaks is not asked again; a fallback begins anew, and `ModelChanged.restarted` says so.
"""

import asyncio
from asyncio import sleep
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final
from weakref import WeakKeyDictionary

import msgspec
import structlog

from inference.admission.queues import queue_of, require_room_at
from inference.admission.turn import Turn
from inference.billing.bill import Bill
from inference.billing.meter import Meter
from inference.billing.types import Purpose
from inference.breaker import Breaker
from inference.call_telemetry import CallTelemetry
from inference.catalog import models_for, models_offered, provider_of
from inference.entries import with_defaults
from inference.errors import AnswerCutOff, InferenceError, ModelAtRest, ModelFailed, ModelNotOffered, ModelTimeout
from inference.offers import OfferedModel
from inference.providers.base import Host, Spread
from inference.retries import may_fall_back, pause_before_retry_s
from inference.timeouts import Watch
from inference.types import Event, Finished, ModelChanged, PromptRequest, Status

log = structlog.get_logger(__name__)

TOLD_PAUSE_S: Final = 1.0
"""A pause of this length is told to the one who waits."""

_breakers: WeakKeyDictionary[Host, Breaker] = WeakKeyDictionary()


async def answer(
    model: OfferedModel, request: PromptRequest, *, bill: Bill | None = None, restarts: bool = True
) -> AsyncGenerator[Event, None]:
    """Ask `model` and yield its events; the last one is `Finished`. Closing it closes the connection to the model.

    `request.model` and `request.context_window` are replaced by the model's own; its options hold where the request's
    say nothing. With `restarts` False no other model begins anew once there were words: for those who cannot take
    words back. Every call is reserved and charged on the `bill`, which whoever made it closes; without one nobody pays.

    Raises:
        InferenceError: nothing else. Events that came before it are good. What the server said is logged here. When
            fallbacks failed as well, it is the model's own error, or that of the last one who had begun.
    """
    told, spoke = model, False
    verdict: InferenceError = ModelNotOffered(model.id)
    candidates = deque([model])
    while candidates:
        candidate, begun = candidates.popleft(), False
        try:
            async with aclosing(_attempts(candidate, request, bill)) as events:
                async for event in events:
                    if type(event) is not Status:
                        begun = True
                        if candidate is not told:
                            yield ModelChanged(candidate.id, candidate.shown_name, told.shown_name, restarted=spoke)
                            told = candidate
                        spoke = spoke or type(event) is not Finished
                    yield event
        except InferenceError as error:
            if begun or candidate is model:
                verdict = error
            if spoke and not restarts:
                break
            if candidate is model and may_fall_back(error):
                candidates += await _fallbacks_of(model, request, bill)
        else:
            return
    raise verdict


def forget_failures(model: OfferedModel) -> None:
    """Ask the model's server as if it had never failed: for an operator who wants to know how it is now.

    Raises:
        ModelNotOffered: its provider is no longer configured.
    """
    for server in servers_of(model):
        _breakers.pop(server, None)


def servers_of(model: OfferedModel) -> Sequence[Host]:
    """The servers that can be asked for the model. One at least.

    Raises:
        ModelNotOffered: its provider is no longer configured.
    """
    provider = provider_of(model)
    return provider.hosts_having(model.name) if isinstance(provider, Spread) else [provider]


async def require_room(model: OfferedModel) -> None:
    """Return when a call of the model would be taken, at once or after a while; also when all its servers rest.

    Raises:
        ModelBusy: too many calls wait already.
        ModelNotOffered: its provider is no longer configured.
    """
    servers = [server.name for server in servers_of(model) if not _breaker_of(server).rests_for_s()]
    await require_room_at(servers, model=model.name)


def _servers_at_work(model: OfferedModel) -> list[Host]:
    """The servers that no breaker keeps away, the one first that is to be asked now.

    Raises:
        ModelAtRest: there are none.
        ModelNotOffered: its provider is no longer configured.
    """
    provider = provider_of(model)
    servers = provider.hosts_for(model.name) if isinstance(provider, Spread) else [provider]
    rests_s = [_breaker_of(server).rests_for_s() for server in servers]
    if all(rests_s):
        raise ModelAtRest(model.name, retry_after_s=min(rests_s))
    return [server for server, rest_s in zip(servers, rests_s, strict=True) if not rest_s]


def _breaker_of(server: Host) -> Breaker:
    return _breakers.setdefault(server, Breaker())


async def _fallbacks_of(model: OfferedModel, request: PromptRequest, bill: Bill | None) -> list[OfferedModel]:
    """The models that stand in for it, in order.

    Left out: what is not offered now, or not to this user, and what cannot see the pictures of the request or
    call its tools.
    """
    if not model.fallbacks:
        return []
    offered = {other.id: other for other in await (models_offered() if bill is None else models_for(bill.user_id))}
    able = [offered[other] for other in model.fallbacks if other in offered and other != model.id]
    if any(message.images for message in request.messages):
        able = [other for other in able if other.sees]
    if request.tools:
        able = [other for other in able if other.may_call_tools]
    return able


async def _attempts(model: OfferedModel, request: PromptRequest, bill: Bill | None) -> AsyncGenerator[Event, None]:
    """Ask one model, again if it fails before its first token in a way that may pass."""
    began_at = asyncio.get_running_loop().time()
    attempt = 1
    while True:
        begun = False
        try:
            async with aclosing(_call(model, request, bill)) as events:
                async for event in events:
                    begun = begun or type(event) is not Status
                    yield event
        except InferenceError as error:
            pause_s = None if begun else pause_before_retry_s(error, attempt)
            if pause_s is None:
                raise
        else:
            return
        attempt += 1
        if pause_s >= TOLD_PAUSE_S:
            yield Status("queued", round(asyncio.get_running_loop().time() - began_at, 1))
        await sleep(pause_s)


async def _call(  # noqa: C901, PLR0912, PLR0915  (one call from its opening to its end; each failure has its own way)
    model: OfferedModel, request: PromptRequest, bill: Bill | None
) -> AsyncGenerator[Event, None]:
    """One call of one of the model's servers, once that has a slot for it, with the clocks that all of them need."""
    servers = _servers_at_work(model)
    request = msgspec.structs.replace(
        request,
        model=model.name,
        context_window=model.context_window,
        options=with_defaults(request.options, model.options),
    )
    meter = Meter(bill, model, request)
    await meter.reserve()
    begun = finished = False
    turn = Turn([queue_of(server.name) for server in servers], *_caller(bill))
    rests_s: list[float] = []
    entered_at = asyncio.get_running_loop().time()
    try:
        while True:
            async with aclosing(turn.until_admitted(model=model.name, within_s=model.timeouts.total_s)) as statuses:
                async for status in statuses:
                    yield status
            server = servers[turn.admitted_to]
            breaker = _breaker_of(server)
            # Asked here, where nothing is waited for any more: whoever is the server's probe asks it at once.
            if not (rest_s := breaker.refuses_for_s()):
                break
            rests_s.append(rest_s)
            if len(rests_s) == len(servers):
                raise ModelAtRest(model.name, retry_after_s=min(rests_s))
            turn.pass_over()
        turn.stay()
        told = CallTelemetry(model, queued_s=asyncio.get_running_loop().time() - entered_at)
        watch = Watch(model.timeouts)
        failure: InferenceError | None = None
        try:
            async with aclosing(server.answer(request)) as events:
                watch.waiting()
                async for event in events:
                    kind = type(event)
                    watch.arrived(token=kind is not Status)
                    if not begun and kind is not Status:
                        begun = True
                        breaker.succeeded()
                        told.begun()
                    if isinstance(event, Finished):
                        finished = True
                        told.finished(event)
                    meter.saw(event)
                    yield event
                    watch.waiting()
                watch.arrived(token=True)
            if not finished:
                log.error("The server %s ended an answer without Finished", server.name)
                raise AnswerCutOff(model.name)
        except asyncio.CancelledError as error:
            if watch.expired is None or not watch.take_back():
                raise
            what, waited_s = watch.expired
            failure = ModelTimeout(model.name, what=what, waited_s=waited_s)
            raise failure from error
        except InferenceError as error:
            failure = error
            raise
        except Exception as error:
            log.exception("The server %s failed in an unforeseen way", server.name)
            failure = ModelFailed(model.name)
            raise failure from error
        finally:
            watch.stop()
            told.ended(failure)
            if failure is not None:
                breaker.failed(failure)
                log.warning("%s did not answer: %s (%r, by %s)", model.id, failure.code, failure.__cause__, server.name)
            elif not begun:
                breaker.left()
            meter.ended(failure)
    finally:
        turn.leave(served=begun)


def _caller(bill: Bill | None) -> tuple[str, Purpose]:
    """Whose turn a call takes in the queue. Those without a bill are one user together."""
    return ("", Purpose.ANSWER) if bill is None else (str(bill.user_id), bill.purpose)
