"""The staff console's pages of what was spent and what may be."""

from typing import Any

from bson import ObjectId
from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest
from unfold.decorators import display

from eloquent.foundation.personal_data import NOBODY
from eloquent.mongodb.changelists import HistoryAdmin, IndexedAdmin
from inference.admin.money import MoneyField, money_shown
from inference.billing.types import Source, Unit
from inference.models import Budget, BudgetSpending, UsageLine


@admin.register(UsageLine)
class UsageLineAdmin(HistoryAdmin):
    """The ledger: what each call of a language model took. Nobody changes it."""

    list_display = ("moment", "owner", "model", "purpose", "tokens", "cost", "outcome_shown")
    list_filter = ("purpose", "outcome", "source")
    list_prefetch = ("user",)
    owner_field = "user"
    search_fields = ("id",)
    search_help_text = "An email, a user's id or a run's"
    ordering = ("-at",)
    sortable_by = ("moment",)
    fields = (
        ("at", "owner"),
        ("model", "purpose"),
        ("input_tokens", "cached_input_tokens"),
        ("output_tokens", "reasoning_tokens"),
        ("cost", "source"),
        ("outcome", "step"),
        "run_id",
    )
    readonly_fields = (
        "at",
        "owner",
        "model",
        "purpose",
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
        "reasoning_tokens",
        "cost",
        "source",
        "outcome",
        "step",
        "run_id",
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody: what was spent was spent."""
        return False

    def matching_id(self, object_id: ObjectId) -> Q:
        """The calls of the run with this id, which begins theirs."""
        return Q(pk__startswith=f"{object_id}:")

    @display(description="User")
    def owner(self, line: UsageLine) -> str:
        """Whose question it was."""
        return _owner(line)

    @display(description="At (UTC)", ordering="at")
    def moment(self, line: UsageLine) -> str:
        """When the call ended, on one line."""
        return f"{line.at:%Y-%m-%d\N{NO-BREAK SPACE}%H:%M}".replace("-", "\N{NON-BREAKING HYPHEN}")

    @display(description="Tokens in / out")
    def tokens(self, line: UsageLine) -> str:
        """Both numbers; with a tilde when they are estimated."""
        sign = "~" if line.source == Source.ESTIMATED else ""
        return f"{sign}{line.input_tokens:,}\N{NO-BREAK SPACE}/ {sign}{line.output_tokens:,}"

    @display(description="Cost")
    def cost(self, line: UsageLine) -> str:
        """Money; a dash when the model had no price."""
        return money_shown(line.cost_micros)

    @display(
        description="Outcome",
        label={"complete": "success", "stopped": "info", "failed": "danger", "lost": "warning"},
    )
    def outcome_shown(self, line: UsageLine) -> str:
        """How the call ended, in its colour."""
        return line.outcome


class BudgetForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes its parameter only while types are checked
    """A budget of tokens in whole numbers, or of money as people write it."""

    limit = MoneyField(
        max_digits=20, help_text="Tokens as a whole number (200000), or money (50.00).", label="Limit", min_value=0
    )

    def get_initial_for_field(self, field: forms.Field, field_name: str) -> Any:
        """A limit of tokens is kept as it is."""
        value = super().get_initial_for_field(field, field_name)
        if field_name == "limit" and isinstance(value, int) and self.instance.unit == Unit.TOKENS:
            return str(value)
        return value

    def clean(self) -> dict[str, Any]:
        """Make tokens of what was read as money."""
        cleaned: dict[str, Any] = super().clean() or {}
        limit = cleaned.get("limit")
        if limit is not None and cleaned.get("unit") == Unit.TOKENS:
            tokens, rest = divmod(limit, 1_000_000)
            if rest:
                raise ValidationError({"limit": "Tokens are whole numbers."})
            cleaned["limit"] = tokens
        return cleaned

    class Meta:
        model = Budget
        fields = ("name", "enabled", "user", "group", "shared", "model", "period", "unit", "limit")


@admin.register(Budget)
class BudgetAdmin(IndexedAdmin):
    """How much may be spent. A change is everywhere within 5 seconds."""

    form = BudgetForm
    list_display = ("name", "state", "whose", "model_shown", "limit_shown", "period")
    list_filter = ("enabled", "period", "unit")
    list_prefetch = ("user", "group")
    search_fields = ("name",)
    ordering = ("name",)
    sortable_by = ("name",)
    autocomplete_fields = ("user",)
    fieldsets = (
        (None, {"fields": (("name", "enabled"), ("limit", "unit"), "period")}),
        ("What it is for", {"fields": (("user", "group"), ("model", "shared"))}),
    )

    @display(description="State", label={"on": "success", "off": "warning"})
    def state(self, budget: Budget) -> str:
        """Whether it holds."""
        return "on" if budget.enabled else "off"

    @display(description="For")
    def whose(self, budget: Budget) -> str:
        """Whom it is for, and whether they share it."""
        if budget.user:
            return str(budget.user)
        people = f"group {budget.group}" if budget.group else "everyone"
        return f"{people}, together" if budget.shared else f"{people}, each"

    @display(description="Model")
    def model_shown(self, budget: Budget) -> str:
        """Which model's answers count."""
        return budget.model or "all"

    @display(description="Limit")
    def limit_shown(self, budget: Budget) -> str:
        """In its unit."""
        return f"{budget.limit:,} tokens" if budget.unit == Unit.TOKENS else money_shown(budget.limit)


@admin.register(BudgetSpending)
class BudgetSpendingAdmin(HistoryAdmin):
    """What is spent of each budget in each period, and held for answers at work."""

    list_display = ("budget", "owner", "starts_at", "used_shown", "held_shown", "limit_shown", "resets_at")
    list_prefetch = ("budget", "user")
    owner_field = "user"
    ordering = ("-starts_at",)
    sortable_by = ("starts_at",)
    search_fields = ("id",)
    search_help_text = "An email or a user's id"
    fields = (("budget", "owner"), ("used_shown", "limit_shown"), ("held_shown", "starts_at"), "resets_at")
    readonly_fields = ("budget", "owner", "used_shown", "held_shown", "limit_shown", "starts_at", "resets_at")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """It goes with its budget, and by itself after 400 days."""
        return False

    @display(description="User")
    def owner(self, spending: BudgetSpending) -> str:
        """Who spends; everyone together when it is shared."""
        return "shared" if spending.user is None else _owner(spending)

    @display(description="Used")
    def used_shown(self, spending: BudgetSpending) -> str:
        """In the budget's unit."""
        return _shown(spending.used, spending.budget)

    @display(description="Held")
    def held_shown(self, spending: BudgetSpending) -> str:
        """For answers at work."""
        return _shown(sum(hold["amount"] for hold in spending.holds), spending.budget)

    @display(description="Limit")
    def limit_shown(self, spending: BudgetSpending) -> str:
        """As it is now."""
        return _shown(spending.budget.limit, spending.budget)


def _owner(row: Any) -> str:
    return "(erased)" if row.user_id == NOBODY else str(getattr(row, "user", None) or row.user_id)


def _shown(amount: int, budget: Budget) -> str:
    return f"{amount:,} tokens" if budget.unit == Unit.TOKENS else money_shown(amount)
