"""The staff console's pages of erasures and exports: looked at; an erasure that waits can be taken back."""

from datetime import datetime
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html_join
from unfold.decorators import action, display

from accounts.models import DataExport, Erasure
from accounts.personal_data.asking import take_back_at_desk
from accounts.personal_data.states import ErasureStatus
from eloquent.foundation.personal_data import personal_stores
from eloquent.mongodb.changelists import HistoryAdmin, is_superuser

_COLOURS = {
    "queued": "info",
    "waiting": "warning",
    "running": "info",
    "complete": "success",
    "cancelled": "warning",
    "failed": "danger",
}


@admin.register(Erasure)
class ErasureAdmin(HistoryAdmin):
    """Erasures of accounts and what they did. Whose they were is not known any more when they are over."""

    list_display = ("asked", "status_shown", "at_step", "erased", "by_staff", "due", "finished")
    list_filter = ("by_staff",)
    search_fields = ("id",)
    search_help_text = "An id"
    ordering = ("-asked_at",)
    sortable_by = ("asked",)
    fields = (
        ("status_shown", "by_staff"),
        ("asked_at", "due_at"),
        ("started_at", "finished_at"),
        ("at_step", "attempts"),
        ("problem", "worker"),
        "places_shown",
    )
    readonly_fields = (
        "status_shown",
        "by_staff",
        "asked_at",
        "due_at",
        "started_at",
        "finished_at",
        "at_step",
        "attempts",
        "problem",
        "worker",
        "places_shown",
    )
    actions = ("take_back",)

    @display(description="Asked at", ordering="asked_at")
    def asked(self, erasure: Erasure) -> str:
        """When it was asked for."""
        return _moment(erasure.asked_at)

    @display(description="Due at")
    def due(self, erasure: Erasure) -> str:
        """When it begins, and cannot be taken back any more."""
        return _moment(erasure.due_at)

    @display(description="Finished at")
    def finished(self, erasure: Erasure) -> str:
        """When everything was gone."""
        return _moment(erasure.finished_at)

    @display(description="State", label=_COLOURS)
    def status_shown(self, erasure: Erasure) -> str:
        """The state in its colour."""
        return str(erasure.status)

    @display(description="At")
    def at_step(self, erasure: Erasure) -> str:
        """The place that is being erased, and what is in the way."""
        return " - ".join(word for word in (erasure.step, erasure.problem) if word) or "-"

    @display(description="Rows and files")
    def erased(self, erasure: Erasure) -> int:
        """How much there was in all."""
        return sum(erasure.counts.values())

    @display(description="Places")
    def places_shown(self, erasure: Erasure) -> str:
        """What becomes of each place, a line each."""
        rows = [
            (place.name, place.treatment.value, erasure.counts.get(place.name, "-"), place.because)
            for place in personal_stores()
        ]
        return format_html_join("", "<div>{}: {} ({}) {}</div>", rows)

    def has_take_back_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return is_superuser(request)

    @action(description="Take back: open these accounts again", permissions=["take_back"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[Erasure]) -> None:
        """Take back those that nothing was erased of yet."""
        staff: Any = request.user
        chosen = [erasure for erasure in queryset if erasure.status != ErasureStatus.COMPLETE]
        taken = [each for each in chosen if async_to_sync(take_back_at_desk)(each.pk, staff=staff.pk)]
        for each in taken:
            self.log_change(request, each, "Taken back.")
        level = messages.SUCCESS if taken else messages.WARNING
        self.message_user(request, f"{len(taken)} erasure{'s' * (len(taken) != 1)} taken back.", level)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody: it is somebody's proof."""
        del request, obj
        return False


@admin.register(DataExport)
class DataExportAdmin(HistoryAdmin):
    """Exports of what accounts hold. Their files are the users' alone."""

    list_display = ("asked", "user", "status_shown", "progress", "size_shown", "deleted")
    list_prefetch = ("user",)
    list_filter = ("status",)
    search_fields = ("id",)
    search_help_text = "An email or an id"
    owner_field = "user"
    ordering = ("-created_at",)
    sortable_by = ("asked",)
    fields = (
        ("user", "status_shown"),
        ("progress", "size_shown"),
        ("created_at", "finished_at"),
        ("expires_at", "attempts"),
        "worker",
    )
    readonly_fields = (
        "user",
        "status_shown",
        "progress",
        "size_shown",
        "created_at",
        "finished_at",
        "expires_at",
        "attempts",
        "worker",
    )

    @display(description="Asked at", ordering="created_at")
    def asked(self, export: DataExport) -> str:
        """When it was asked for."""
        return _moment(export.created_at)

    @display(description="Deleted at")
    def deleted(self, export: DataExport) -> str:
        """Until when it can be fetched."""
        return _moment(export.expires_at)

    @display(description="State", label=_COLOURS)
    def status_shown(self, export: DataExport) -> str:
        """The state in its colour."""
        return str(export.status)

    @display(description="Documents")
    def progress(self, export: DataExport) -> str:
        """How many are in it."""
        return f"{export.documents_done:,} of {export.documents:,}"

    @display(description="Size")
    def size_shown(self, export: DataExport) -> str:
        """The size in a unit that can be read."""
        return filesizeformat(export.size_bytes) if export.size_bytes else "-"

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody: it goes with its file, after a week or with its user."""
        del request, obj
        return False


def _moment(at: datetime | None) -> str:
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
