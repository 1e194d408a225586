"""What headers say of a trace, read as OpenTelemetry reads it, and as Amazon's load balancers write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from eloquent.foundation.telemetry.trace_headers import RemoteParent, remote_parent

TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4736
SPAN = 0x00F067AA0BA902B7
GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ROOT = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736"

HEX = st.text("0123456789abcdef", max_size=34)
NEARLY = st.builds(
    lambda *parts: "-".join(parts),
    st.sampled_from(["00", "01", "ff", "0", "cc"]),
    HEX | st.just(f"{TRACE:032x}") | st.just("0" * 32),
    HEX | st.just(f"{SPAN:016x}") | st.just("0" * 16),
    st.sampled_from(["00", "01", "02", "03", "ff", "1", "0g", "01-more"]),
)


@given(NEARLY | st.text(max_size=80))
def test_traceparent_is_read_as_opentelemetry_reads_it(header: str) -> None:
    found = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": header})).get_span_context()
    expected = RemoteParent(found.trace_id, found.span_id, bool(found.trace_flags.sampled)) if found.is_valid else None
    # Spaces around it are an HTTP parser's matter, and a server's parser has taken them off.
    if header == header.strip():
        assert remote_parent(header, None) == expected


@given(
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.sampled_from(["", ";Lineage=1:2|3:4", ";Self=1-67891234-12456789abcdef012345678"]),
)
def test_amazons_header_is_read_as_its_own_reader_does(trace: int, span: int, sampled: bool, more: str) -> None:
    digits = f"{trace:032x}"
    header = f"Root=1-{digits[:8]}-{digits[8:]};Parent={span:016x};Sampled={int(sampled)}{more}"
    found = get_current_span(AwsXRayPropagator().extract({"X-Amzn-Trace-Id": header})).get_span_context()
    assert remote_parent(None, header) == (found.trace_id, found.span_id, bool(found.trace_flags.sampled))


@pytest.mark.parametrize("header", [ROOT, f"Self=1-2-3;{ROOT}", f"{ROOT};CalledFrom=app"])
def test_a_load_balancer_names_the_trace_and_leaves_the_decision_to_us(header: str) -> None:
    assert remote_parent(None, header) == RemoteParent(TRACE, 0, None)


def test_w3cs_header_is_believed_before_amazons() -> None:
    other = "Root=1-11111111-111111111111111111111111;Parent=1111111111111111;Sampled=0"
    assert remote_parent(GOOD, other) == (TRACE, SPAN, True)
    assert remote_parent("nonsense", f"{ROOT};Sampled=1") == (TRACE, 0, True)


@given(st.text(max_size=600), st.text(max_size=600))
def test_whatever_is_sent_does_no_harm(traceparent: str, amazon: str) -> None:
    found = remote_parent(traceparent, amazon)
    assert found is None or 0 < found.trace_id < 2**128


@pytest.mark.parametrize(
    "amazon",
    [
        "",
        "Root=",
        "Root=1-0-0",
        "Root=1-00000000-" + "0" * 24,
        "Sampled=1",
        "Root=2" + ROOT[6:],
        ROOT + ";" + "x" * 600,
    ],
)
def test_what_is_no_trace_is_none(amazon: str) -> None:
    assert remote_parent(None, amazon) is None
