"""What answers cost, and how much may be spent. The request road reads and writes these through `inference.store`."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django_mongodb_backend.fields import ObjectIdField

from eloquent.mongodb.indexes import TTLIndex
from inference.billing.types import MOST_BUDGETS, Outcome, Period, Purpose, Source, Unit


def _choices(words: type[Purpose | Source | Outcome | Period | Unit]) -> list[tuple[str, str]]:
    return [(word.value, word.value) for word in words]


class UsageLine(models.Model):
    """What one call of a language model cost: written once, changed never, and kept when its conversation is deleted.

    The id is the call's: the run's id, the number of the call within it, and what it was for.
    """

    id = models.CharField(primary_key=True, max_length=80, db_column="_id")
    run_id = ObjectIdField()
    step = models.PositiveSmallIntegerField()
    purpose = models.CharField(max_length=20, choices=_choices(Purpose))
    # Nothing follows a deletion: what was spent stays true when a user is gone, and there is no name in it.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    model = models.CharField(max_length=240)
    input_tokens = models.PositiveIntegerField()
    cached_input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField()
    reasoning_tokens = models.PositiveIntegerField(default=0)
    cost_micros = models.PositiveBigIntegerField(null=True, blank=True)
    source = models.CharField(max_length=10, choices=_choices(Source))
    outcome = models.CharField(max_length=10, choices=_choices(Outcome))
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "usage"
        verbose_name_plural = "usage"
        ordering = ("-at", "-id")
        indexes = (
            models.Index(fields=["user", "-at", "-id"], name="usage_of_user"),
            models.Index(fields=["-at", "-id"], name="usage_newest"),
        )

    def __str__(self) -> str:
        return str(self.pk)


class Budget(models.Model):
    """How many tokens, or how much money, may be spent in a day or a month (UTC), by whom and on which model."""

    name = models.CharField(max_length=100, help_text="People read it when they have spent it: “Monthly budget”.")
    enabled = models.BooleanField(default=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
        help_text="For this user. With neither user nor group it is for everyone.",
    )
    group = models.ForeignKey(
        Group,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
        help_text="Or a group.",
    )
    shared = models.BooleanField(
        default=False, help_text="On: all whom it is for spend from one budget. Off: each has their own."
    )
    model = models.CharField(
        max_length=240,
        blank=True,
        default="",
        help_text="Only what this model costs: provider/name. Empty: every model.",
    )
    period = models.CharField(max_length=10, choices=_choices(Period), default=Period.MONTH)
    unit = models.CharField(max_length=10, choices=_choices(Unit), default=Unit.TOKENS)
    limit = models.PositiveBigIntegerField(
        validators=[MinValueValidator(1)], help_text="Tokens, or millionths of the currency."
    )

    class Meta:
        db_table = "budgets"
        ordering = ("name", "id")
        indexes = (
            models.Index(fields=["name", "id"], name="budgets_list"),
            models.Index(fields=["enabled", "name", "id"], name="budgets_enabled"),
            models.Index(fields=["user"], name="budgets_of_user"),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what no field can see alone."""
        super().clean()
        wrong: dict[str, Any] = {}
        budget: Any = self
        if budget.user_id and budget.group_id:
            wrong["group"] = "For a user or for a group, not both."
        if budget.user_id and budget.shared:
            wrong["shared"] = "There is nobody to share one user's budget with."
        others = type(self).objects.filter(enabled=True).exclude(pk=self.pk)
        if self.enabled and others.count() >= MOST_BUDGETS:
            wrong["enabled"] = f"At most {MOST_BUDGETS:,} budgets can be enabled."
        if self.model and "/" not in self.model:
            wrong["model"] = "An id has the form provider/name."
        if wrong:
            raise ValidationError(wrong)


class BudgetSpending(models.Model):
    """How much of a budget is spent in one period, and what is held for answers at work.

    The id is the budget's, the user's (or "all", when it is shared), and the period's first moment. `holds` are the
    calls at work, each with its line's id (`key`), the amount, and until when (`until_ms`, since 1970)
    it can be at work at most.
    """

    id = models.CharField(primary_key=True, max_length=100, db_column="_id")
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    used = models.BigIntegerField(default=0)
    holds = models.JSONField(default=list, blank=True)
    # The earliest end of a hold: then somebody looks whether it was forgotten.
    next_end_at = models.DateTimeField(null=True, blank=True)
    starts_at = models.DateTimeField()
    resets_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "budget_spending"
        verbose_name = verbose_name_plural = "spending"
        ordering = ("-starts_at", "-id")
        indexes = (
            models.Index(fields=["-starts_at", "-id"], name="budget_spending_newest"),
            models.Index(fields=["next_end_at"], name="budget_spending_ends"),
            models.Index(fields=["budget"], name="budget_spending_of_budget"),
            models.Index(fields=["user"], name="budget_spending_of_user"),
            TTLIndex(fields=["expires_at"], name="budget_spending_expired"),
        )

    def __str__(self) -> str:
        return str(self.pk)
