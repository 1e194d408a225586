"""What staff decided, and how it goes over what servers list. Pure, but for reading the decisions."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
from bson import ObjectId

from inference.store import ModelEntry, ModelPrice, model_entries, model_prices
from inference.timeouts import Timeouts
from inference.types import GenerationOptions


class Decision(NamedTuple):
    """What staff decided about one model, with its prices, the oldest first."""

    entry: ModelEntry
    prices: tuple[ModelPrice, ...] = ()


Decisions: TypeAlias = dict[str, Decision]
"""By the model's id, in the order of the list."""


async def decisions() -> Decisions:
    """All of them, as they are in the database now."""
    entries = await model_entries()
    if not entries:
        return {}
    prices: dict[ObjectId, list[ModelPrice]] = {}
    for price in await model_prices():
        prices.setdefault(price.entry_id, []).append(price)
    return {entry.model_id: Decision(entry, tuple(prices.get(entry.id, ()))) for entry in entries}


def options_of(entry: ModelEntry) -> GenerationOptions:
    """What holds for questions that do not say otherwise."""
    keep_alive: str | int | None = entry.keep_alive or None
    if isinstance(keep_alive, str) and keep_alive.lstrip("-").isdigit():
        keep_alive = int(keep_alive)  # Ollama takes bare seconds as a number alone
    return GenerationOptions(
        temperature=entry.temperature,
        top_p=entry.top_p,
        max_output_tokens=entry.max_output_tokens,
        thinking=entry.thinking,
        keep_alive=keep_alive,
    )


def timeouts_of(entry: ModelEntry) -> Timeouts:
    """The patiences with the model; what was not decided is the default."""
    decided = {name: getattr(entry, name) for name in ("first_token_s", "idle_s", "total_s")}
    return msgspec.structs.replace(Timeouts(), **{name: value for name, value in decided.items() if value is not None})


def with_defaults(options: GenerationOptions, defaults: GenerationOptions) -> GenerationOptions:
    """The options, and the defaults where they say nothing."""
    if defaults == GenerationOptions():
        return options
    unsaid = [name for name in GenerationOptions.__struct_fields__ if getattr(options, name) in (None, ())]
    return msgspec.structs.replace(options, **{name: getattr(defaults, name) for name in unsaid})


def in_order(ids: Sequence[str], decided: Iterable[str]) -> list[str]:
    """Those that something was decided about first, in that order; the others behind them, as they were listed."""
    place = {model_id: number for number, model_id in enumerate(decided)}
    return sorted(ids, key=lambda model_id: place.get(model_id, len(place)))
