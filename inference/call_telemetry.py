"""What traces and metrics say of one call of a language model, never what was asked or answered.

Names of attributes: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from time import perf_counter
from typing import Final

from eloquent.foundation.telemetry import metrics
from eloquent.foundation.telemetry.spans import Kind, begun_span
from inference.errors import InferenceError
from inference.offers import OfferedModel
from inference.types import Finished

OWN: Final = "ollama"
"""The provider whose hosts are ours: by how long people wait for it there are more of them, or fewer."""

# Shorter than this, the clock of a rate is the noise of a few packets.
_SHORTEST_S: Final = 0.05


class CallTelemetry:
    """Of a call that is being made. Asks nothing for a token but the first and the last."""

    __slots__ = ("_begun_at", "_entered_at", "_finished", "_finished_at", "_is_own", "_span")

    def __init__(self, model: OfferedModel, *, queued_s: float) -> None:
        self._is_own = model.provider == OWN
        self._entered_at = perf_counter() - queued_s
        self._begun_at = self._finished_at = 0.0
        self._finished: Finished | None = None
        self._span = begun_span("chat", Kind.CLIENT, always=True)
        if self._span is not None:
            self._span.name = f"chat {model.name}"
            self._span.note(
                gen_ai__operation__name="chat",
                gen_ai__provider__name=model.provider,
                gen_ai__request__model=model.name,
                eloquent__queued_ms=round(queued_s * 1000, 1),
            )

    def begun(self) -> None:
        """Its first word is there."""
        self._begun_at = perf_counter()
        if self._is_own:
            metrics.own_model_first_token.observe((self._begun_at - self._entered_at) * 1000)
        if self._span is not None:
            self._span.happened("first_token")

    def finished(self, event: Finished) -> None:
        """Its last event is there."""
        self._finished, self._finished_at = event, perf_counter()

    def ended(self, failure: InferenceError | None) -> None:
        """It is over: by itself, by a failure, or because whoever read it left."""
        finished = self._finished
        tokens = None if finished is None else finished.usage.output_tokens
        if tokens and self._begun_at and (took_s := self._finished_at - self._begun_at) >= _SHORTEST_S:
            metrics.tokens_per_second.observe(tokens / took_s)
        if failure is not None:
            metrics.model_failures.value += 1
        span = self._span
        if span is None:
            return
        if finished is not None:
            span.note(
                gen_ai__response__finish_reasons=(finished.reason.value,),
                gen_ai__usage__input_tokens=finished.usage.input_tokens,
                gen_ai__usage__output_tokens=tokens,
            )
        if failure is not None:
            span.note(error__type=failure.code)
            span.fail(failure.code)
        elif finished is None:
            span.happened("left")
        span.end()
