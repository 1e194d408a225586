"""What traces, metrics and logs say of one run: a span from its first task to its last save, and how it ended.

A token costs nothing here: the span has events for the first one and for the end, and no others.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Final

from chat.types import Run, RunStatus
from eloquent.foundation.errors import EloquentError
from eloquent.foundation.logs import run_id_var
from eloquent.foundation.telemetry import metrics
from eloquent.foundation.telemetry.metric_names import Traffic
from eloquent.foundation.telemetry.metrics import Counter
from eloquent.foundation.telemetry.spans import Kind, Span, begun_span, current_span, root_span

_ENDED: Final[dict[RunStatus, Counter]] = {
    RunStatus.COMPLETE: metrics.runs_completed,
    RunStatus.STOPPED: metrics.runs_stopped,
    RunStatus.INTERRUPTED: metrics.runs_interrupted,
    RunStatus.FAILED: metrics.runs_failed,
}
_EVENTS: Final = {RunStatus.STOPPED: "stop", RunStatus.INTERRUPTED: "interrupted"}


def count_end(status: RunStatus) -> None:
    """A run has come to rest like this. Said once of each: by whoever's save has ended its answer."""
    _ENDED[status].value += 1


@contextmanager
def asked_over_socket() -> Iterator[None]:
    """A frame asks for an answer: until there is a run. Tasks that are made in this context belong to it."""
    span = root_span("websocket send", Kind.SERVER, Traffic.LANGUAGE_MODEL)
    try:
        yield
    except BaseException as error:
        if span is not None:
            span.fail(error.code if isinstance(error, EloquentError) else type(error).__name__)
        raise
    finally:
        if span is not None:
            span.end()


class RunTelemetry:
    """Of a run that was let in just now."""

    __slots__ = ("_made_at", "_span")

    def __init__(self) -> None:
        self._made_at = perf_counter()
        self._span: Span | None = None

    @contextmanager
    def begun(self, run: Run) -> Iterator[None]:
        """The run is set to work. Tasks that are made in this context are the run's: their log lines name it."""
        metrics.streams_in_flight.value += 1
        self._span = begun_span("run", Kind.INTERNAL)
        run_before = run_id_var.set(str(run.id))
        span_before = current_span.set(self._span or current_span.get())
        try:
            yield
        finally:
            run_id_var.reset(run_before)
            current_span.reset(span_before)

    def first_token(self) -> None:
        """There is something to read."""
        metrics.time_to_first_token.observe((perf_counter() - self._made_at) * 1000)
        if self._span is not None:
            self._span.happened("first_token")

    def ended(self, run: Run) -> None:
        """It has come to rest, with its usage and its error; what follows is its saving."""
        span = self._span
        if span is None:
            return
        usage: dict[str, Any] = run.usage or {}
        span.make_room()
        span.note(
            eloquent__run_id=str(run.id),
            eloquent__conversation_id=str(run.conversation_id),
            enduser__id=str(run.user_id),
            eloquent__outcome=run.status.value,
            gen_ai__provider__name=run.provider,
            gen_ai__response__model=run.model,
            gen_ai__usage__input_tokens=usage.get("inputTokens"),
            gen_ai__usage__output_tokens=usage.get("outputTokens"),
        )
        if run.status in _EVENTS:
            span.happened(_EVENTS[run.status])
        if run.status is RunStatus.FAILED:
            span.fail(str((run.error or {}).get("code")))

    def over(self, _finished: "asyncio.Task[None]") -> None:
        """Nothing of it runs any more."""
        metrics.streams_in_flight.value -= 1
        if self._span is not None:
            self._span.end()
