"""Begins the catalog of language models: an entry for each model that has none, and a price where none was set.

Of the desk road. What staff decided stays: no entry and no price that is there is changed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from django.core.exceptions import ValidationError
from django.db.models import Max

from eloquent.foundation.price_lists import ListedPrice
from inference.admin.money import amount_shown
from inference.models import ModelEntry, ModelPrice
from inference.offers import OfferedModel

_LAST_PLACE: Final = 32_767
"""The largest `order` that an entry can have."""


def seed_entries(models: Iterable[OfferedModel]) -> list[str]:
    """A sentence for each entry that was made. Those made stand behind all that were there, in the order given."""
    there = set(ModelEntry.objects.values_list("provider", "name"))
    place = ModelEntry.objects.aggregate(last=Max("order"))["last"]
    place = ModelEntry._meta.get_field("order").default if place is None else place + 1
    told = []
    for model in models:
        if (model.provider, model.name) in there:
            continue
        entry = ModelEntry(provider=model.provider, name=model.name, order=min(place, _LAST_PLACE))
        try:
            entry.full_clean()
        except ValidationError as error:
            told.append(f"{model.id} gets no entry: {' '.join(error.messages)}")
            continue
        entry.save()
        told.append(f"{model.id} has an entry now.")
        place += 1
    return told


def seed_prices(prices: Mapping[str, ListedPrice], *, currency: str) -> tuple[list[str], list[str]]:
    """A sentence for each price that was set, from now on, and the ids that no entry has.

    An id may leave out ":latest".
    """
    entries = {entry.model_id: entry for entry in ModelEntry.objects.all()}
    entries |= {model_id.removesuffix(":latest"): entry for model_id, entry in entries.items()}
    priced = set(ModelPrice.objects.values_list("entry_id", flat=True))
    told = []
    for model_id, price in prices.items():
        entry = entries.get(model_id)
        if entry is None or entry.pk in priced:
            continue
        ModelPrice.objects.create(entry=entry, **price._asdict())
        priced.add(entry.pk)
        told.append(f"{entry.model_id} costs {_shown(price)} {currency} a million tokens now.")
    return told, _without(prices, entries)


def _without(prices: Mapping[str, ListedPrice], entries: Mapping[str, ModelEntry]) -> list[str]:
    return [model_id for model_id in prices if model_id not in entries]


def _shown(price: ListedPrice) -> str:
    parts: Sequence[tuple[int | None, str]] = (
        (price.input_micros, "input"),
        (price.cached_input_micros, "cached input"),
        (price.output_micros, "output"),
    )
    return ", ".join(f"{amount_shown(micros)} ({what})" for micros, what in parts if micros is not None)
