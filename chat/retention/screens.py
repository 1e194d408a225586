"""The staff console's page of rules of retention."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from chat.models import RetentionRule
from eloquent.foundation.config import get_config
from eloquent.mongodb.changelists import IndexedAdmin


@admin.register(RetentionRule)
class RetentionRuleAdmin(IndexedAdmin):
    """How long conversations of a group's users are kept. Whoever is in none is under RETENTION_DAYS."""

    list_display = ("group", "kept")
    list_prefetch = ("group",)
    search_fields = ("id",)
    search_help_text = "An id"
    ordering = ("-days",)
    sortable_by = ("kept",)
    fields = ("group", "days")

    @display(description="Kept for", ordering="days")
    def kept(self, rule: RetentionRule) -> str:
        """How long, in words."""
        return f"{rule.days} day{'s' * (rule.days != 1)}" if rule.days else "ever"

    list_before_template = "admin/chat/retention.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, under the setting that holds for everybody else."""
        context = {**(extra_context or {}), "retention_days": get_config().retention_days}
        return super().changelist_view(request, context)
