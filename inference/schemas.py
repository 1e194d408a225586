"""What travels over HTTP about language models and usage. Money is in millionths of the currency."""

from typing import Annotated, Any

from ninja import Schema
from pydantic import Field

from eloquent.foundation.config import get_config
from inference.billing.reports import BudgetState, UsageReport
from inference.billing.types import DaysUsage, Period, Unit
from inference.offers import OfferedModel

ReportDays = Annotated[int, Field(ge=1, le=366)]


class PriceOut(Schema):
    """What a million tokens cost now."""

    input_micros: int
    output_micros: int
    cached_input_micros: int | None
    currency: str


class ModelOut(Schema):
    """A language model that a person may choose. `context_window` is in tokens.

    `loaded` says whether it answers without being loaded first; null where its server does not say.
    """

    id: str
    name: str
    provider: str
    default: bool
    context_window: int
    capabilities: list[str]
    loaded: bool | None
    price: PriceOut | None


class ModelList(Schema):
    """All of them: the list is short, so `next_cursor` is always null."""

    items: list[ModelOut]
    next_cursor: str | None = None


class SpentOut(Schema):
    """A sum. `cost_micros` leaves out what had no price."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost_micros: int


class ModelsDayOut(SpentOut):
    """What one model took in a day."""

    model: str


class DayOut(SpentOut):
    """A day of UTC, by model, the dearest first. Days on which nothing was spent are there too."""

    day: str = Field(examples=["2026-05-01"])
    models: list[ModelsDayOut]


class BudgetOut(Schema):
    """A budget that answers are paid from, in tokens or millionths of the currency.

    `model` is null when every model counts; `shared` says that others spend from it too.
    """

    name: str
    unit: Unit
    period: Period
    model: str | None
    shared: bool
    limit: int
    used: int
    held: int
    remaining: int
    resets_at: str


class UsageReportOut(Schema):
    """The own usage from `since` to `until` (days of UTC, both with them), the oldest day first."""

    since: str
    until: str
    currency: str
    total: SpentOut
    days: list[DayOut]
    budgets: list[BudgetOut]


def model_out(model: OfferedModel) -> dict[str, Any]:
    """A `ModelOut`."""
    price = model.price
    return {
        "id": model.id,
        "name": model.shown_name,
        "provider": model.provider,
        "default": model.default,
        "context_window": model.context_window,
        "capabilities": model.capabilities,
        "loaded": model.loaded,
        "price": None
        if price is None
        else {
            "input_micros": price.input_micros,
            "output_micros": price.output_micros,
            "cached_input_micros": price.cached_input_micros,
            "currency": get_config().usage_currency,
        },
    }


def report_out(report: UsageReport) -> dict[str, Any]:
    """A `UsageReportOut`."""
    return {
        "since": report.days[0][0],
        "until": report.days[-1][0],
        "currency": get_config().usage_currency,
        "total": _sum_of([spent for _, models in report.days for spent in models]),
        "days": [
            {
                "day": day,
                **_sum_of(models),
                "models": [{"model": spent.model, **_sum_of([spent])} for spent in _dearest_first(models)],
            }
            for day, models in report.days
        ],
        "budgets": [_budget_out(state) for state in report.budgets],
    }


def _dearest_first(models: list[DaysUsage]) -> list[DaysUsage]:
    return sorted(
        models, key=lambda spent: (-spent.cost_micros, -spent.input_tokens - spent.output_tokens, spent.model)
    )


def _sum_of(spent: list[DaysUsage]) -> dict[str, int]:
    return {
        name: sum(getattr(each, name) for each in spent)
        for name in ("calls", "input_tokens", "output_tokens", "cost_micros")
    }


def _budget_out(state: BudgetState) -> dict[str, Any]:
    budget, spending = state
    return {
        "name": budget.name,
        "unit": budget.unit,
        "period": budget.period,
        "model": budget.model or None,
        "shared": budget.shared,
        "limit": budget.limit,
        "used": spending.used,
        "held": spending.held,
        "remaining": max(budget.limit - spending.used - spending.held, 0),
        "resets_at": spending.resets_at,
    }
