"""Spans: what is sampled, who is whose parent, and what nobody pays for."""

import asyncio
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eloquent.foundation.rates import TokenBucket
from eloquent.foundation.telemetry import spans
from eloquent.foundation.telemetry.metric_names import Traffic
from eloquent.foundation.telemetry.spans import (
    LAST_CHILDREN,
    MOST_CHILDREN,
    Kind,
    Span,
    begun_span,
    current_span,
    record_spans,
    root_span,
)
from eloquent.foundation.telemetry.trace_headers import RemoteParent

ALL = {Traffic.LANGUAGE_MODEL: 1.0, Traffic.OTHER: 1.0}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Span]]:
    ended: list[Span] = []
    token = current_span.set(None)
    monkeypatch.setattr(spans._tracing, "forced", TokenBucket(per_s=10, at_once=10))
    record_spans(ended.append, ALL)
    yield ended
    record_spans(None, {})
    current_span.reset(token)


def root(traffic: Traffic = Traffic.OTHER, parent: RemoteParent | None = None) -> Span:
    span = root_span("root", Kind.SERVER, traffic, parent)
    assert span is not None
    return span


def test_nothing_is_made_while_nobody_records() -> None:
    assert root_span("root", Kind.SERVER, Traffic.OTHER) is None
    assert begun_span("child", Kind.CLIENT) is None


def test_a_span_is_below_the_current_one_and_in_its_trace(recorded: list[Span]) -> None:
    above = root()
    below = begun_span("child", Kind.CLIENT)
    assert below is not None
    assert (below.trace_id, below.parent_id) == (above.trace_id, above.span_id)
    below.end()
    above.end()
    assert recorded == [below, above]


async def test_a_task_works_for_the_span_that_it_was_started_in(recorded: list[Span]) -> None:
    async def request(name: str) -> tuple[Span, Span | None]:
        span = root()
        await asyncio.sleep(0)
        return span, await asyncio.create_task(work(name))

    async def work(name: str) -> Span | None:
        return begun_span(name, Kind.CLIENT)

    for span, child in await asyncio.gather(*(asyncio.create_task(request(str(number))) for number in range(20))):
        assert child is not None
        assert child.parent_id == span.span_id


def test_what_goes_on_after_its_end_adds_nothing(recorded: list[Span]) -> None:
    span = root()
    span.end()
    span.end()
    assert begun_span("late", Kind.CLIENT) is None
    assert recorded == [span]


def test_a_span_without_a_place_in_its_trace_is_counted(recorded: list[Span]) -> None:
    span = root()
    made = [begun_span("child", Kind.CLIENT) for _ in range(MOST_CHILDREN + 3)]
    assert sum(each is not None for each in made) == MOST_CHILDREN
    span.end()
    assert span.attributes["eloquent.spans_left_out"] == 3


def test_the_calls_and_the_end_of_a_long_run_have_their_places(recorded: list[Span]) -> None:
    span = root()
    for _ in range(MOST_CHILDREN + 3):
        begun_span("update", Kind.CLIENT)
    assert begun_span("chat", Kind.CLIENT, always=True) is not None
    assert begun_span("update", Kind.CLIENT) is None
    span.make_room()
    at_the_end = [begun_span("update", Kind.CLIENT) for _ in range(LAST_CHILDREN + 1)]
    assert [each is not None for each in at_the_end] == [True] * LAST_CHILDREN + [False]
    span.end()
    assert span.attributes["eloquent.spans_left_out"] == 5


def test_who_has_few_gains_nothing_by_the_end(recorded: list[Span]) -> None:
    span = root()
    begun_span("update", Kind.CLIENT)
    span.make_room()
    assert sum(begun_span("update", Kind.CLIENT) is not None for _ in range(100)) == MOST_CHILDREN - 1


def test_what_is_not_sampled_has_ids_and_nothing_else(recorded: list[Span]) -> None:
    record_spans(recorded.append, {Traffic.OTHER: 0.0})
    span = root()
    assert span.trace_id
    assert span.span_id
    assert begun_span("child", Kind.CLIENT) is None
    span.note(http__route="/")
    span.happened("first_token")
    span.end()
    assert recorded == []


def test_health_checks_have_no_span_whoever_asks(recorded: list[Span]) -> None:
    assert root_span("root", Kind.SERVER, Traffic.HEALTH, RemoteParent(1, 1, True)) is None


@pytest.mark.parametrize("sampled", [True, False])
def test_the_caller_decides_for_its_trace(recorded: list[Span], sampled: bool) -> None:
    record_spans(recorded.append, {Traffic.OTHER: 0.0 if sampled else 1.0})
    span = root(parent=RemoteParent(5, 6, sampled))
    assert (span.sampled, span.trace_id, span.parent_id) == (sampled, 5, 6)


def test_strangers_who_want_to_be_traced_get_so_many_a_second(recorded: list[Span]) -> None:
    record_spans(recorded.append, {Traffic.OTHER: 0.0})
    chosen = [root(parent=RemoteParent(5, 6, True)).sampled for _ in range(1000)]
    assert 10 <= sum(chosen) < 100


@pytest.mark.parametrize("sampled", [True, None])
@pytest.mark.parametrize("trace_id", [1 << 64, (1 << 64) - 1])
def test_whoever_chooses_the_id_does_not_choose_what_is_traced(
    recorded: list[Span], sampled: bool | None, trace_id: int
) -> None:
    record_spans(recorded.append, {Traffic.OTHER: 0.05})
    for _ in range(10):
        spans._tracing.forced.wait_s()
    chosen = [root(parent=RemoteParent(trace_id, 6, sampled)).sampled for _ in range(5000)]
    assert 100 < sum(chosen) < 400


@given(st.floats(0, 1))
def test_every_service_would_decide_alike_about_a_trace_of_ours(share: float) -> None:
    record_spans(lambda _span: None, {Traffic.OTHER: share})
    try:
        for span in [root() for _ in range(5)]:
            assert span.sampled == (Fraction(span.trace_id % 2**56, 2**56) < Fraction(share))
    finally:
        record_spans(None, {})
        current_span.set(None)


def test_the_share_is_the_share(recorded: list[Span]) -> None:
    record_spans(recorded.append, {Traffic.OTHER: 0.05, Traffic.LANGUAGE_MODEL: 1.0})
    assert 100 < sum(root().sampled for _ in range(5000)) < 400
    assert all(root(Traffic.LANGUAGE_MODEL).sampled for _ in range(100))
