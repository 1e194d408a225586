"""The staff console's pages of language models: what is offered, under which name, with which options."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django_mongodb_backend.fields import ArrayField
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectMultipleWidget, UnfoldAdminTextInputWidget

from eloquent.mongodb.changelists import IndexedAdmin
from inference.admin.money import MoneyField
from inference.models import ModelEntry, ModelPrice
from inference.models.catalog import CAPABILITIES


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes its parameter only while types are checked
    """A price as people write it: 2.50 for a million tokens."""

    input_micros = MoneyField(label="Input")
    cached_input_micros = MoneyField(label="Cached input", required=False)
    output_micros = MoneyField(label="Output")

    class Meta:
        model = ModelPrice
        fields = ("starts_at", "input_micros", "cached_input_micros", "output_micros")


class PriceInline(TabularInline):
    """What the model's tokens cost, from a moment on. Answers keep the price of their time."""

    model = ModelPrice
    form = PriceForm
    extra = 0
    hide_title = True
    verbose_name_plural = "Prices of a million tokens"
    ordering = ("starts_at",)


class ModelEntryForm(forms.ModelForm):  # type: ignore[type-arg]  # as above
    """Groups are chosen by name and kept as ids; capabilities are those that matter here."""

    capabilities = forms.MultipleChoiceField(
        choices=CAPABILITIES,
        required=False,
        widget=UnfoldAdminSelectMultipleWidget,
        help_text="Where its server does not say what it can do, or is wrong. With none, as its server says.",
    )
    groups = forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"),
        required=False,
        widget=UnfoldAdminSelectMultipleWidget,
        help_text="Who may use it: people in one of these groups. With none, everyone.",
    )

    def clean_groups(self) -> list[Any]:
        """The ids alone; those of deleted groups stay, for without them the model would be everyone's."""
        chosen = [group.pk for group in self.cleaned_data["groups"]]
        there = set(Group.objects.filter(pk__in=self.instance.groups).values_list("pk", flat=True))
        return [*chosen, *(group_id for group_id in self.instance.groups if group_id not in there)]

    class Meta:
        model = ModelEntry
        fields = "__all__"  # noqa: DJ007  (the page's fieldsets say which)


@admin.register(ModelEntry)
class ModelEntryAdmin(IndexedAdmin):
    """What holds for a model beyond what its server says. A change is everywhere within 5 seconds."""

    list_display = ("shown", "model_id", "state", "context_window", "stand_ins", "order")
    list_filter = ("enabled", "provider")
    search_fields = ("name", "title")
    ordering = ("order", "provider", "name")
    sortable_by = ("order",)
    actions = ("enable", "disable")
    form = ModelEntryForm
    inlines = (PriceInline,)
    # Unfold has no dress of its own for lists in a field.
    formfield_overrides: ClassVar[dict[Any, Any]] = {ArrayField: {"widget": UnfoldAdminTextInputWidget}}
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("provider", "name"),
                    ("title", "order"),
                    ("enabled", "is_default"),
                    "fallbacks",
                    ("groups", "capabilities"),
                )
            },
        ),
        (
            "How it answers",
            {"fields": (("context_window", "max_output_tokens"), ("temperature", "top_p"), ("thinking", "keep_alive"))},
        ),
        ("How long it may take", {"fields": (("first_token_s", "idle_s", "total_s"),)}),
    )

    @display(description="Name")
    def shown(self, entry: ModelEntry) -> str:
        """What people are shown."""
        return str(entry)

    @display(description="Id")
    def model_id(self, entry: ModelEntry) -> str:
        """What conversations store."""
        return entry.model_id

    @display(description="State", label={"default": "success", "enabled": "info", "disabled": "warning"})
    def state(self, entry: ModelEntry) -> str:
        """Whether it is offered."""
        if not entry.enabled:
            return "disabled"
        return "default" if entry.is_default else "enabled"

    @display(description="Fallbacks")
    def stand_ins(self, entry: ModelEntry) -> str:
        """Who answers while it cannot."""
        return ", ".join(entry.fallbacks) or "-"

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Staff who may change language models."""
        user: Any = request.user
        return bool(user.has_perm("inference.change_modelentry"))

    @action(description="Offer these models", permissions=["switch"])
    def enable(self, request: HttpRequest, queryset: QuerySet[ModelEntry]) -> None:
        """They may be chosen within 5 seconds."""
        self._switch(request, list(queryset), enabled=True)

    @action(description="Do not offer these models", permissions=["switch"])
    def disable(self, request: HttpRequest, queryset: QuerySet[ModelEntry]) -> None:
        """Nobody can choose them; answers that run go on. One that was the default is it no longer."""
        self._switch(request, list(queryset), enabled=False)

    def _switch(self, request: HttpRequest, entries: list[ModelEntry], *, enabled: bool) -> None:
        switched = [entry for entry in entries if entry.enabled is not enabled]
        for entry in switched:
            entry.enabled = enabled
            entry.is_default = entry.is_default and enabled
            entry.save(update_fields=["enabled", "is_default"])
            self.log_change(request, entry, "Offered." if enabled else "Not offered any more.")
        many = f"{len(switched)} language model{'s' * (len(switched) != 1)}"
        self.message_user(request, f"{many} {'offered' if enabled else 'hidden'}.", messages.SUCCESS)
