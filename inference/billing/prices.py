"""What tokens cost. Pure: money is integers, in millionths of the currency, and nothing is rounded but the sum."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from inference.store.types import ModelPrice
from inference.types import Price, Usage

_TOKENS_OF_A_PRICE: Final = 1_000_000


def price_at(prices: Iterable[ModelPrice], moment: datetime) -> Price | None:
    """The price in force: of those that have begun the latest; None when none has."""
    begun = [price for price in prices if price.starts_at <= moment]
    if not begun:
        return None
    latest = max(begun, key=lambda price: (price.starts_at, price.id))
    return Price(latest.input_micros, latest.output_micros, latest.cached_input_micros)


def cost_micros(usage: Usage, price: Price) -> int:
    """What the tokens cost, rounded to the nearest millionth, halves up. Tokens that are not known cost nothing."""
    cached = min(usage.cached_input_tokens or 0, usage.input_tokens or 0)
    uncached = (usage.input_tokens or 0) - cached
    cached_micros = price.input_micros if price.cached_input_micros is None else price.cached_input_micros
    exact = uncached * price.input_micros + cached * cached_micros + (usage.output_tokens or 0) * price.output_micros
    return (exact + _TOKENS_OF_A_PRICE // 2) // _TOKENS_OF_A_PRICE
