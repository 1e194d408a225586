"""Staff lists that stay fast over large collections: what every admin class of the project is made of.

Joins are the expensive thing: `$lookup` runs over everything that matches before the page is cut out. So related
objects are prefetched for the rows shown, a search for a person becomes two queries, and an unfiltered list is counted
from the collection's own statistics.
"""

from http import HTTPStatus
from typing import Any, ClassVar

from bson import ObjectId
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ORDER_VAR
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import CASCADE, Model, Q, QuerySet
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

ROWS_A_PAGE = 50
# Sent with `request`, `act` (viewed, searched, added, changed, deleted), `label` (app.model) and `ids` (hex digits).
staff_acted = Signal()
# A search for part of an email may match many people; their objects are looked up by these at most.
PEOPLE_A_SEARCH = 100
_ID_CHARS = 24
_COLUMN_DIGITS = 3


def is_superuser(request: HttpRequest) -> bool:
    """Whether a superuser asks."""
    user: Any = request.user
    return bool(user.is_active and user.is_superuser)


class CollectionPaginator(Paginator):  # type: ignore[type-arg]  # it takes its parameter only while types are checked
    """Counts an unfiltered list at once from the collection's statistics, which a crash may leave slightly off."""

    @cached_property
    def count(self) -> int:
        """How many rows there are over all pages."""
        rows: Any = self.object_list
        query = getattr(rows, "query", None)
        if query is None or query.where or query.is_sliced or query.combinator or query.distinct:
            return super().count
        connection: Any = connections[rows.db]
        count: int = connection.database[query.get_meta().db_table].estimated_document_count()
        return count


class IndexedChangeList(ChangeList):
    """A list whose rows of one moment are ordered the way the list goes, and by what has an index alone.

    Django always ends the order in `-pk`. Beside an ascending column no index has that, since an index is read either
    forwards or backwards as a whole. And it takes any column from the address, also one whose head is no link: over a
    large collection that is a sort in memory, and of a column that a staff member may not see it tells the order.
    """

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """By the first column of the address that may be sorted by; without one, the list's own order."""
        asked = self.params.pop(ORDER_VAR, "").split(".")
        if allowed := [column for column in asked if self._may_sort_by(column)]:
            self.params[ORDER_VAR] = allowed[0]
        ordering: list[Any] = super().get_ordering(request, queryset)
        return ordering

    def _may_sort_by(self, column: str) -> bool:
        number = column.rpartition("-")[2]
        known = number.isdecimal() and len(number) <= _COLUMN_DIGITS and int(number) < len(self.list_display)
        return known and self.list_display[int(number)] in self.sortable_by

    def _get_deterministic_ordering(self, ordering: Any) -> list[Any]:
        fields: list[Any] = super()._get_deterministic_ordering(ordering)
        if len(fields) < 2 or fields[-1] != "-pk" or not isinstance(fields[0], str):  # noqa: PLR2004 -- a field and -pk
            return fields
        # What follows the chosen column is the list's own order, mostly the same column again.
        first = fields[0]
        rest = [field for field in fields[1:-1] if str(field).lstrip("-") != first.lstrip("-")]
        return fields if rest or first.startswith("-") else [first, "pk"]


class IndexedAdmin(ModelAdmin):
    """An admin class whose list is answered by indexes.

    Each order that the list offers needs an index that ends in the primary key, because Django adds it to every order.

    Attributes:
        list_prefetch: relations that the columns show; one more query for each, for the rows of the page alone.
        sortable_by: the columns with such an index, the only ones that can be sorted by.
        owner_field: the relation to the user, searched by email or id; None when there is none.
    """

    paginator: Any = CollectionPaginator
    show_full_result_count = False
    list_per_page = ROWS_A_PAGE
    list_max_show_all = ROWS_A_PAGE
    list_filter_submit = False
    # Not False: that makes the change list join every relation among the columns.
    list_select_related: Any = ()
    list_prefetch: ClassVar[tuple[str, ...]] = ()
    sortable_by: ClassVar[Any] = ()
    owner_field: str | None = None

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        """Django's list with an order that an index has."""
        del request, options
        return IndexedChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """All rows, their shown relations fetched along."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.prefetch_related(*self.list_prefetch) if self.list_prefetch else rows

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """What the list's own filters ask for, and nothing else.

        Any other field in the address is a search without an index that nobody records, and finds out a secret letter
        by letter.
        """
        asked: Any = request
        shown = [each[0] if isinstance(each, list | tuple) else each for each in self.get_list_filter(asked)]
        names = [each if isinstance(each, str) else getattr(each, "parameter_name", "") for each in shown]
        is_shown = any(lookup == name or lookup.startswith(f"{name}__") for name in names if name)
        return is_shown and bool(super().lookup_allowed(lookup, value, asked))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """An object's page. Opening it is something that staff did."""
        response: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        self._tell_shown(request, object_id, response)
        return response

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What staff did to an object; looked at as the object is."""
        response: HttpResponse = super().history_view(request, object_id, extra_context)
        self._tell_shown(request, object_id, response)
        return response

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks before an object is deleted, and shows it."""
        response: HttpResponse = super().delete_view(request, object_id, extra_context)
        self._tell_shown(request, object_id, response)
        return response

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Django's log, and the audit's."""
        self._tell(request, "added", [str(obj.pk)])
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Django's log, and the audit's."""
        self._tell(request, "changed", [str(obj.pk)], message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Django's log, and the audit's."""
        self._tell(request, "deleted", [str(obj.pk) for obj in queryset])
        return super().log_deletions(request, queryset)

    def _tell_shown(self, request: HttpRequest, object_id: str | None, response: HttpResponse) -> None:
        # Whichever verb asked: a form that comes back with faults shows the object as well.
        if object_id is None or response.status_code != HTTPStatus.OK:
            return
        # An id can be spelled in many ways, and the record must lead to the object by one.
        known: Any = self.opts.pk
        self._tell(request, "viewed", [str(known.to_python(unquote(object_id)))])

    def _tell(self, request: HttpRequest, act: str, ids: list[str], message: Any = "") -> None:
        staff_acted.send(
            sender=type(self), request=request, act=act, label=self.opts.label_lower, ids=ids, message=message
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows by id, by their owner's email or id, else by the words in `search_fields`.

        An id and an email are told by their shape, so that looking for them reads an index instead of every text. A
        search is something that staff did, in a list or for the field of a form; paging through a list is not.
        """
        term = search_term.strip()
        if term:
            self._tell(request, "searched", [])
        user: Any = get_user_model()
        users = user.objects
        if self.owner_field and "@" in term:
            people = users.filter(email__contains=term.lower()).values_list("pk", flat=True)
            return queryset.filter(self.belonging_to(list(people[:PEOPLE_A_SEARCH]))), False
        if len(term) == _ID_CHARS and ObjectId.is_valid(term):
            object_id = ObjectId(term)
            person = self.owner_field and users.filter(pk=object_id).exists()
            return queryset.filter(self.belonging_to([object_id]) if person else self.matching_id(object_id)), False
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
        return found

    def belonging_to(self, people: list[ObjectId]) -> Q:
        """What a search for these users finds: theirs."""
        return Q(**{f"{self.owner_field}__in": people})

    def matching_id(self, object_id: ObjectId) -> Q:
        """What a search for the id of something else than a user finds: the object itself."""
        return Q(pk=object_id)


class CountedDeletion:
    """For admin classes: asks before deleting by saying how much goes along, not by listing thousands of things.

    Whoever may delete the object may delete what hangs on it, even where that is not deleted on its own.
    """

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """What the confirmation page shows: the objects, and counts of them and of all that is deleted with them."""
        chosen = list(objs)
        names = self.opts  # type: ignore[attr-defined]
        allowed = self.has_delete_permission(request)  # type: ignore[attr-defined]
        counts = {str(names.verbose_name_plural): len(chosen), **_counts_along(names.model, chosen)}
        return [str(each) for each in chosen], counts, set() if allowed else {str(names.verbose_name)}, []


def _counts_along(model: type[Model], chosen: list[Any]) -> dict[str, int]:
    """How much a deletion of these cascades to, by the models' names in the plural."""
    found: dict[str, set[Any]] = {}  # what hangs on two things that go is counted once
    above: list[tuple[type[Model], list[Any]]] = [(model, [each.pk for each in chosen])]
    while above:
        parent, parent_ids = above.pop()
        for relation in parent._meta.related_objects:
            child: Any = relation.related_model
            if relation.on_delete is not CASCADE or child._meta.auto_created or not parent_ids:
                continue
            ids = list(child.objects.filter(**{f"{relation.field.name}__in": parent_ids}).values_list("pk", flat=True))
            name = str(child._meta.verbose_name_plural)
            found.setdefault(name, set()).update(ids)
            above.append((child, ids))
    return {name: len(ids) for name, ids in found.items()}


class HistoryAdmin(IndexedAdmin):
    """An admin class of what has happened: shown to staff who may view it, changed by nobody here.

    Deleting is for superusers. Django's log of what staff do names these objects by their ids: their names are users'
    words, and an object that is gone leads no erasure to its entry.
    """

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Note that staff made it, without its name."""
        logged: Any = super().log_addition(request, obj, message)
        self._forget_names([obj])
        return logged

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Note that staff did something to it, without its name."""
        logged: Any = super().log_change(request, obj, message)
        self._forget_names([obj])
        return logged

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Note that these are deleted, without their names."""
        logged: Any = super().log_deletions(request, queryset)
        self._forget_names(queryset)
        return logged

    def _forget_names(self, objects: Any) -> None:
        named = LogEntry.objects.filter(object_id__in=[str(each.pk) for each in objects])
        named.update(object_repr=f"({self.opts.verbose_name})")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: history is written by what happens."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Superusers."""
        del obj
        return is_superuser(request)
