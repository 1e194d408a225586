"""Spans: what a request or a run did, and how long it took. The part that the request road pays for.

A span that is not sampled is only its ids, for the log. One that is goes to the recorder that `switchboard` has set
when it ends, and stays ours: `otlp` writes it as OpenTelemetry would. Without a recorder there are none.

No span has anything in it that a person wrote, nor who they are beyond the id of the database.
"""

import os
import time
from collections.abc import Callable
from contextvars import ContextVar
from enum import IntEnum
from typing import Final, NamedTuple

from eloquent.foundation.rates import TokenBucket
from eloquent.foundation.telemetry.metric_names import Traffic
from eloquent.foundation.telemetry.trace_headers import RemoteParent

Attribute = str | int | float | bool | tuple[str, ...]

MOST_CHILDREN: Final = 64
"""A run that takes minutes saves every two seconds: what comes after so many is counted, and not shown."""

LAST_CHILDREN: Final = 16
"""So many are shown of its end, however many came before."""

FORCED_PER_S: Final = 10
"""Whoever calls may ask that they are traced. Beyond so many a second ours is the decision: they may be anybody."""

_SHARE_BYTES: Final = 7
_SHARE_BITS: Final = (1 << 8 * _SHARE_BYTES) - 1
"""The bits of a trace's id that are surely random (W3C, level 2): by them every service decides alike about ours."""


class Kind(IntEnum):
    """By OTLP's numbers."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


class SpanEvent(NamedTuple):
    """Something that happened in a span; at nanoseconds since 1970."""

    name: str
    at_ns: int


class Span:
    """Something that is done. Whoever made it ends it; what comes after its end is dropped."""

    __slots__ = (
        "attributes",
        "children",
        "ended_ns",
        "error",
        "events",
        "is_remote_child",
        "kind",
        "left_out",
        "name",
        "parent_id",
        "sampled",
        "span_id",
        "started_ns",
        "trace_id",
    )

    def __init__(self, name: str, kind: Kind, trace_id: int, parent_id: int, *, sampled: bool) -> None:
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = int.from_bytes(os.urandom(8)) or 1
        self.parent_id = parent_id
        self.sampled = sampled
        self.is_remote_child = False
        self.children = 0
        self.left_out = 0
        self.error: str | None = None
        self.ended_ns = 0
        if sampled:
            self.started_ns = time.time_ns()
            self.attributes: dict[str, Attribute] = {}
            self.events: list[SpanEvent] = []

    def note(self, **attributes: Attribute | None) -> None:
        """Attributes, with `__` for the dots of their names; None is left out."""
        if self.sampled:
            for name, value in attributes.items():
                if value is not None:
                    self.attributes[name.replace("__", ".")] = value

    def happened(self, name: str) -> None:
        """An event, now."""
        if self.sampled:
            self.events.append(SpanEvent(name, time.time_ns()))

    def make_room(self) -> None:
        """Its end begins, whose spans are shown whatever came before."""
        self.children = min(self.children, MOST_CHILDREN - LAST_CHILDREN)

    def fail(self, error: str) -> None:
        """It went wrong; `error` is a code or the name of a type, never a sentence."""
        self.error = error

    def end(self) -> None:
        """It is over, now. Safe to repeat."""
        if self.ended_ns or not self.sampled:
            return
        self.ended_ns = time.time_ns()
        if self.left_out:
            self.attributes["eloquent.spans_left_out"] = self.left_out
        if _tracing.recorder is not None:
            _tracing.recorder(self)


current_span: ContextVar[Span | None] = ContextVar("span", default=None)
"""The span that is being worked for here. A task that is started here works for it, too."""


class _Tracing:
    recorder: Callable[[Span], None] | None = None
    shares: dict[Traffic, float] = {}
    forced = TokenBucket(per_s=FORCED_PER_S, at_once=FORCED_PER_S)


_tracing = _Tracing()


def record_spans(recorder: Callable[[Span], None] | None, shares: dict[Traffic, float]) -> None:
    """From now on spans are made and go to `recorder`, called from any thread and quick; None: none are made.

    `shares` is what is sampled of each class of requests, 0 to 1. Health checks have no spans at all.
    """
    _tracing.recorder = recorder
    _tracing.shares = shares


def stop_recording(recorder: Callable[[Span], None]) -> None:
    """No spans are made any more, unless they go to another recorder by now."""
    if _tracing.recorder == recorder:
        record_spans(None, {})


def is_tracing() -> bool:
    """Whether there are spans."""
    return _tracing.recorder is not None


def root_span(name: str, kind: Kind, traffic: Traffic, parent: RemoteParent | None = None) -> Span | None:
    """The first span of ours in a trace; what begins here and its tasks is below it. None when nothing is traced."""
    if _tracing.recorder is None or traffic is Traffic.HEALTH:
        return None
    if parent is None:
        trace_id = int.from_bytes(os.urandom(16)) or 1
        span = Span(name, kind, trace_id, 0, sampled=_is_in_share(trace_id, traffic))
    else:
        sampled = parent.sampled
        if sampled is None or (sampled and _tracing.forced.wait_s() > 0):
            # By bits of ours: whoever calls has chosen those of the trace's id.
            sampled = _is_in_share(int.from_bytes(os.urandom(_SHARE_BYTES)), traffic)
        span = Span(name, kind, parent.trace_id, parent.span_id, sampled=sampled)
        span.is_remote_child = parent.span_id != 0
    current_span.set(span)
    return span


def begun_span(name: str, kind: Kind, *, always: bool = False) -> Span | None:
    """A span below the current one, which stays the current one; None when that is not recorded, over, or full.

    `always` is for what there are few of and a trace is read for: it takes no place of the others.
    """
    parent = current_span.get()
    if parent is None or not parent.sampled or parent.ended_ns or _tracing.recorder is None:
        return None
    if not always:
        if parent.children >= MOST_CHILDREN:
            parent.left_out += 1
            return None
        parent.children += 1
    return Span(name, kind, parent.trace_id, parent.span_id, sampled=True)


def _is_in_share(bits: int, traffic: Traffic) -> bool:
    return (bits & _SHARE_BITS) < _tracing.shares.get(traffic, 0.0) * (_SHARE_BITS + 1)
