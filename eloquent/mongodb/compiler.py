"""Turns Django's queries into pipelines that the server can answer from an index.

django-mongodb-backend 5.2.4 finds an index for `filter`, and loses it in three places:

- `order_by` of instances writes `{"$addFields": {"created_at": "$created_at"}}` before `$sort`. It changes nothing,
  but a field that a stage computes is not the indexed one, so the sort happens in memory over the whole match.
- `values()` and `values_list()` put `$project` before `$sort`, with the same effect.
- prefetching a foreign key compares inside `$expr`, which reads the whole related collection.

Django looks the six compilers up by name in this module.
"""

from __future__ import annotations  # Django's Lookup takes its parameters only while types are checked

from typing import TYPE_CHECKING, Any, TypeAlias

from django.db.models.expressions import Col, ColPairs
from django.db.models.fields.tuple_lookups import TupleIn
from django.db.models.lookups import Lookup
from django.db.models.sql.where import WhereNode
from django_mongodb_backend import compiler
from django_mongodb_backend.query import MongoQuery

if TYPE_CHECKING:
    Stage: TypeAlias = dict[str, Any]
    Condition: TypeAlias = WhereNode | Lookup[Any] | Any


class IndexedQuery(MongoQuery):
    """A pipeline whose `$sort` still stands on stored fields."""

    extra_fields: Stage | None

    def get_pipeline(self) -> list[Stage]:
        """The stages for `aggregate`."""
        if self.extra_fields:
            self.extra_fields = {name: value for name, value in self.extra_fields.items() if value != f"${name}"}
        pipeline: list[Stage] = super().get_pipeline()
        if self._projection_can_wait():
            projection = {"$project": self.project_fields}
            pipeline.remove(projection)
            pipeline.append(projection)
        return pipeline

    def _projection_can_wait(self) -> bool:
        """Whether `$project` only leaves fields out, keeps those sorted by, and no stage between needs it done."""
        return bool(
            self.project_fields
            and self.ordering
            and not self.extra_fields
            and not self.aggregation_pipeline
            and not self.combinator_pipeline
            and not self.subquery_lookup
            and all(value == 1 for value in self.project_fields.values())
            and all(name in self.project_fields for name in self.ordering)
        )


class SQLCompiler(compiler.SQLCompiler):
    """The original's reading, with queries that an index can answer."""

    query_class = IndexedQuery

    def get_where(self) -> WhereNode:
        """The conditions, with a foreign key's prefetch written as a plain `in`."""
        where: WhereNode = super().get_where()
        return _with_plain_in(where) if where and _has_tuple_in(where) else where


class SQLInsertCompiler(compiler.SQLInsertCompiler):
    """Inserts, as the original does them."""


class SQLDeleteCompiler(compiler.SQLDeleteCompiler, SQLCompiler):
    """The original's deleting, which chooses documents as reading does here."""


class SQLUpdateCompiler(compiler.SQLUpdateCompiler, SQLCompiler):
    """The original's updating, which chooses documents as reading does here."""


class SQLAggregateCompiler(compiler.SQLAggregateCompiler, SQLCompiler):
    """Counts and sums over a subquery."""


def _has_tuple_in(condition: Condition) -> bool:
    if isinstance(condition, WhereNode):
        return any(_has_tuple_in(child) for child in condition.children)
    return isinstance(condition, TupleIn)


def _with_plain_in(condition: Condition) -> Any:
    """The same condition, where `(a,) in [(1,), (2,)]` has become `a in [1, 2]`, as a copy of the query's own tree."""
    if isinstance(condition, WhereNode):
        copy = condition.clone()
        copy.children = [_with_plain_in(child) for child in condition.children]
        return copy
    pairs = getattr(condition, "lhs", None)
    if (
        isinstance(condition, TupleIn)
        and isinstance(pairs, ColPairs)
        and len(pairs) == 1
        and isinstance(condition.rhs, list | tuple)
    ):
        column = Col(pairs.alias, pairs.targets[0], pairs.sources[0])
        lookup: Any = column.get_lookup("in")
        return lookup(column, [value for (value,) in condition.rhs])
    return condition
