"""Money in forms and on pages: people read and write 2.50, the database keeps millionths."""

from decimal import Decimal
from typing import Any, Final

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from eloquent.foundation.config import get_config

_MICROS: Final = Decimal(1_000_000)
_PLACES: Final = 6


class MoneyField(forms.DecimalField):
    """An amount of the currency, kept as an integer of its millionths."""

    def __init__(self, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "min_value": 0,
            "max_digits": 18,
            "decimal_places": _PLACES,
            "widget": UnfoldAdminDecimalFieldWidget(),
        }
        super().__init__(**{**defaults, **options})

    def prepare_value(self, value: Any) -> Any:
        """What the form shows for what the database has."""
        return amount_shown(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        """The millionths of what was written; None for nothing."""
        amount = super().clean(value)
        return None if amount is None else int(amount * _MICROS)


def amount_shown(micros: int) -> str:
    """The amount with as many places as it needs, at least two: 0.15, 12.00, 0.000001."""
    whole, _, places = f"{Decimal(micros) / _MICROS:f}".partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def money_shown(micros: int | None) -> str:
    """The amount with its currency; a dash when it is not known."""
    return "-" if micros is None else f"{amount_shown(micros)}\N{NO-BREAK SPACE}{get_config().usage_currency}"
