"""The staff console's page of the audit: read, and searched by person or action."""

from collections.abc import Iterable
from typing import Any

import orjson
from bson import ObjectId
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.audit.actions import Action
from accounts.models import AuditEntry, User
from eloquent.foundation.ids import is_id
from eloquent.mongodb.changelists import HistoryAdmin, IndexedChangeList

_LINE_BREAK = SafeString("<br>")


class _ActionFilter(admin.SimpleListFilter):
    """By the actions there are: looking for those in use would read the whole collection."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        del request, model_admin
        return [(action.value, action.value.replace("_", " ")) for action in Action]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        del request
        return queryset.filter(action=self.value()) if self.value() else queryset


class _NamedPeople(IndexedChangeList):
    """The list with the emails of those whom its page names, read at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = [*self.result_list]
        self.result_list: Any = rows
        ids = {person for row in rows for person in (row.actor_id, row.subject_id) if person is not None}
        names = dict(User.objects.filter(pk__in=ids).values_list("pk", "email")) if ids else {}
        for row in rows:
            row.people = names


@admin.register(AuditEntry)
class AuditEntryAdmin(HistoryAdmin):
    """What happened: looked at, and changed or deleted by nobody, superusers included."""

    list_display = ("number", "when", "action", "who", "whom", "what")
    list_filter = (_ActionFilter,)
    search_fields = ("action",)
    search_help_text = "An email, or the id of a person"
    owner_field = "subject_id"
    ordering = ("-number",)
    sortable_by = ("number",)
    fields = (
        "number",
        "when",
        "action",
        "who",
        "whom",
        "target",
        "details",
        "known_of_them",
        "request_id",
        "hash",
        "previous_hash",
    )
    readonly_fields = fields

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[_NamedPeople]:
        """The list that knows people's emails."""
        del request, options
        return _NamedPeople

    def belonging_to(self, people: list[ObjectId]) -> Q:
        """What these people did, and what was done to their accounts."""
        return Q(subject_id__in=people) | Q(actor_id__in=people)

    def matching_id(self, object_id: ObjectId) -> Q:
        """Somebody who has no account any more, or the entry itself."""
        return self.belonging_to([object_id]) | Q(pk=object_id)

    @display(description="When (UTC)")
    def when(self, entry: AuditEntry) -> str:
        """To the second, on one line."""
        return format_html('<span class="whitespace-nowrap">{}</span>', f"{entry.at:%Y-%m-%d %H:%M:%S}")

    @display(description="What")
    def what(self, entry: AuditEntry) -> str:
        """The object's kind and the end of its id; the whole is on the entry's page."""
        kind, _, name = entry.target.rpartition(":")
        if not kind:
            return entry.target
        return f"{kind.rpartition('.')[2]} …{name[-6:]}" if is_id(name) else f"{kind.rpartition('.')[2]} {name}"

    @display(description="Who")
    def who(self, entry: AuditEntry) -> str:
        """Who did it: an email, the id of somebody who has no account any more, or nobody who is known."""
        return _named(entry, entry.actor_id)

    @display(description="Whose account")
    def whom(self, entry: AuditEntry) -> str:
        """Whom it is about."""
        return _named(entry, entry.subject_id)

    @display(description="Details")
    def details(self, entry: AuditEntry) -> str:
        """What was noted of the event."""
        return _as_lines(entry.facts)

    @display(description="Known of them")
    def known_of_them(self, entry: AuditEntry) -> str:
        """Address and device; nothing once the person was erased."""
        return _as_lines(entry.private)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        del request, obj
        return False


def _named(entry: AuditEntry, person: ObjectId | None) -> str:
    if person is None:
        return "—"
    people: dict[ObjectId, str] | None = getattr(entry, "people", None)
    if people is None:
        people = dict(User.objects.filter(pk=person).values_list("pk", "email"))
    return people.get(person, str(person))


def _as_lines(text: str) -> str:
    try:
        values = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        return text
    shown = [(name.replace("_", " "), value) for name, value in values.items() if name != "salt"]
    return format_html_join(_LINE_BREAK, "{}: {}", shown) or "—"
