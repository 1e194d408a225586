"""A list of prices as a setting: JSON text, read with all its faults at once. Pure."""

import re
from typing import Any, Final, NamedTuple

import msgspec

_ID: Final = re.compile(r"[a-z-]+/\S.*")
_AMOUNT: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,6}))?")
_NEEDED: Final = ("input", "output")
_NAMES: Final = (*_NEEDED, "cached_input")


class ListedPrice(NamedTuple):
    """What a million tokens cost, in millionths of the currency. Cached input costs `input_micros` when None."""

    input_micros: int
    output_micros: int
    cached_input_micros: int | None = None


def price_list(text: str) -> dict[str, ListedPrice]:
    """The prices by the model's id, "provider/name", in the order of the text; none for an empty one.

    Raises:
        ValueError: with every fault of the list in its sentence.
    """
    if not text:
        return {}
    try:
        told = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    if not isinstance(told, dict):
        raise ValueError("it must be an object of models")  # noqa: TRY004  (pydantic makes a fault of a ValueError alone)
    faults = [fault for model_id, price in told.items() for fault in _faults_of(model_id, price)]
    if faults:
        raise ValueError("; ".join(faults))
    return {
        model_id: ListedPrice(
            _micros(price["input"]),
            _micros(price["output"]),
            _micros(price["cached_input"]) if "cached_input" in price else None,
        )
        for model_id, price in told.items()
    }


def checked(text: str) -> str:
    """The text as it is, when it is a list of prices.

    Raises:
        ValueError: as `price_list`.
    """
    price_list(text)
    return text


def _faults_of(model_id: str, price: Any) -> list[str]:
    if not _ID.fullmatch(model_id):
        return [f"“{model_id}” is no id, which has the form provider/name"]
    if not isinstance(price, dict):
        return [f"{model_id} must have an object of prices"]
    faults = [f"{model_id} lacks “{name}”" for name in _NEEDED if name not in price]
    faults += [f"{model_id} has “{name}”, which means nothing here" for name in price if name not in _NAMES]
    return faults + [
        f'{model_id}: “{name}” must be an amount as text, such as "2.50", with at most six places'
        for name in _NAMES
        # A number in JSON is binary and need not be what was written.
        if name in price and not (isinstance(price[name], str) and _AMOUNT.fullmatch(price[name]))
    ]


def _micros(amount: str) -> int:
    whole, _, places = amount.partition(".")
    return int(whole) * 1_000_000 + int(places.ljust(6, "0"))
