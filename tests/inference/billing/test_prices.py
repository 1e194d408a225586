"""What tokens cost, to the millionth."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from inference.billing.prices import cost_micros, price_at
from inference.store import ModelPrice
from inference.types import Price, Usage

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TOKENS = st.none() | st.integers(0, 10**9)
MICROS = st.integers(0, 10**9)


def from_moment(moment: datetime, micros: int) -> ModelPrice:
    return ModelPrice(ObjectId(), ObjectId(), moment, micros, micros)


@given(TOKENS, TOKENS, TOKENS, st.builds(Price, MICROS, MICROS, st.none() | MICROS))
def test_a_cost_is_the_exact_one_rounded_once(
    tokens: int | None, written: int | None, cached: int | None, price: Price
) -> None:
    read = min(cached or 0, tokens or 0)
    cached_price = price.input_micros if price.cached_input_micros is None else price.cached_input_micros
    exact = Fraction(
        ((tokens or 0) - read) * price.input_micros + read * cached_price + (written or 0) * price.output_micros,
        1_000_000,
    )
    cost = cost_micros(Usage(tokens, written, cached_input_tokens=cached), price)
    assert abs(cost - exact) <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("usage", "price", "cost"),
    [
        (Usage(1_000_000, 1_000_000), Price(3_000_000, 15_000_000), 18_000_000),
        (Usage(1_000_000, 0, cached_input_tokens=400_000), Price(3_000_000, 0, 300_000), 1_920_000),
        (Usage(1_000_000, 0, cached_input_tokens=400_000), Price(3_000_000, 0), 3_000_000),
        (Usage(None, None), Price(1, 1), 0),
        (Usage(1, 0), Price(500_000, 0), 1),  # half a millionth
        (Usage(1, 0), Price(499_999, 0), 0),
        (Usage(5, 0, cached_input_tokens=9), Price(1_000_000, 0, 0), 0),  # a server that counts the cache twice
    ],
)
def test_a_cost_by_hand(usage: Usage, price: Price, cost: int) -> None:
    assert cost_micros(usage, price) == cost


def test_the_latest_price_that_has_begun_is_in_force() -> None:
    day = timedelta(days=1)
    prices = [from_moment(NOON + day, 3), from_moment(NOON, 2), from_moment(NOON - day, 1)]
    assert price_at([], NOON) is None
    assert price_at(prices, NOON - 2 * day) is None
    assert price_at(prices, NOON - timedelta(seconds=1)) == Price(1, 1)
    assert price_at(prices, NOON) == Price(2, 2)
    assert price_at(prices, NOON + 9 * day) == Price(3, 3)
