"""Our spans in OTLP's words mean what OpenTelemetry's own encoder makes of them."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from eloquent.foundation.telemetry.otlp import encoded
from eloquent.foundation.telemetry.spans import Kind, Span, SpanEvent

RESOURCE = {"service.name": "chat", "service.version": "1"}
KINDS = {Kind.INTERNAL: SpanKind.INTERNAL, Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT}
MOMENTS = st.integers(0, 2**63)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# 1, 1.0 and True are one key of a dictionary, and three values.
VALUES = WORDS | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans() | st.tuples(WORDS, WORDS)


@st.composite
def made_spans(draw: st.DrawFn) -> Span:
    span = Span(
        draw(WORDS),
        draw(st.sampled_from(Kind)),
        draw(st.integers(1, 2**128 - 1)),
        draw(st.integers(0, 2**64 - 1)),
        sampled=True,
    )
    span.is_remote_child = span.parent_id != 0 and draw(st.booleans())
    span.started_ns, span.ended_ns = draw(MOMENTS), draw(MOMENTS)
    span.attributes = draw(st.dictionaries(WORDS.filter(bool), VALUES, max_size=4))
    span.events = [SpanEvent(name, at_ns) for name, at_ns in draw(st.lists(st.tuples(WORDS, MOMENTS), max_size=2))]
    if draw(st.booleans()):
        span.fail(draw(WORDS))
    return span


def as_opentelemetry_has_it(span: Span) -> ReadableSpan:
    parent = None
    if span.parent_id:
        parent = SpanContext(span.trace_id, span.parent_id, span.is_remote_child, TraceFlags(1))
    return ReadableSpan(
        span.name,
        context=SpanContext(span.trace_id, span.span_id, is_remote=False, trace_flags=TraceFlags(1)),
        parent=parent,
        resource=Resource(RESOURCE),
        attributes=span.attributes,
        events=[Event(event.name, timestamp=event.at_ns) for event in span.events],
        kind=KINDS[span.kind],
        status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
        start_time=span.started_ns,
        end_time=span.ended_ns,
        instrumentation_scope=InstrumentationScope("eloquent"),
    )


def test_values_that_python_takes_for_the_same_are_not_mistaken_for_each_other() -> None:
    spans = []
    for value in (1, True, 1.0, 0, False, 0.0):
        span = Span("same", Kind.CLIENT, 1, 0, sampled=True)
        span.ended_ns = span.started_ns
        span.attributes = {"value": value}
        spans.append(span)
    [scope] = ExportTraceServiceRequest.FromString(encoded(spans, RESOURCE)).resource_spans[0].scope_spans
    kinds = [span.attributes[0].value.WhichOneof("value") for span in scope.spans]
    assert kinds == ["int_value", "bool_value", "double_value"] * 2


@given(st.lists(made_spans(), min_size=1, max_size=3))
def test_ours_and_opentelemetrys_encoders_say_the_same(spans: list[Span]) -> None:
    theirs = encode_spans([as_opentelemetry_has_it(span) for span in spans])
    for resource in theirs.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                if not span.status.code:
                    span.ClearField("status")  # empty, and not there, are the same
    assert ExportTraceServiceRequest.FromString(encoded(spans, RESOURCE)) == theirs
