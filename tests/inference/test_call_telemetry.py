"""What is measured of a call."""

import pytest

from eloquent.foundation.telemetry import metrics
from inference.call_telemetry import CallTelemetry
from inference.offers import OfferedModel


def call_of(provider: str, *, queued_s: float) -> CallTelemetry:
    model = OfferedModel(f"{provider}/one", "one", provider, default=False, context_window=8192)
    return CallTelemetry(model, queued_s=queued_s)


@pytest.fixture(autouse=True)
def _nothing_measured() -> None:
    metrics.own_model_first_token.take()


def test_the_wait_for_our_own_model_is_measured_with_its_queue() -> None:
    call_of("ollama", queued_s=7).begun()
    (waited_ms,) = metrics.own_model_first_token.take()
    assert 7_000 <= waited_ms < 8_000


@pytest.mark.parametrize("provider", ["bedrock", "anthropic", "openai", "openai-compatible"])
def test_a_vendor_that_is_slow_asks_for_no_host_of_ours(provider: str) -> None:
    call_of(provider, queued_s=7).begun()
    assert metrics.own_model_first_token.take() == []


def test_a_call_without_a_word_says_nothing_of_it() -> None:
    call_of("ollama", queued_s=7).ended(None)
    assert metrics.own_model_first_token.take() == []
