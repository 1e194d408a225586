"""Unique indexes that the query planner can use.

The original makes every unique index partial on `{field: {"$type": ...}}`, so that several nulls may live beside each
other as in SQL. The planner never proves that a look-up falls inside such a filter, and answers it by reading the
whole collection. Here the index of required fields is whole; that of nullable fields is partial on "at least the
smallest value of the type", a filter that an equality look-up is known to satisfy.

A migration is no transaction here: what was killed in the middle is begun anew, and finds what it had made.
"""

from __future__ import annotations  # Django's Field takes its parameters only while types are checked

from datetime import datetime
from typing import Any, Final

from bson import ObjectId
from django.db import DatabaseError
from django.db.models import Field, Index, Model
from django_mongodb_backend import schema
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import CollectionInvalid
from pymongo.operations import IndexModel

# The smallest value of each stored type. Comparison never crosses types in MongoDB, so null stays outside.
SMALLEST: Final[dict[str, Any]] = {
    "string": "",
    "objectId": ObjectId(b"\0" * 12),
    "date": datetime.min,  # noqa: DTZ901 -- the driver takes naive times as UTC; an aware minimum cannot be shifted
    "int": float("-inf"),
    "long": float("-inf"),
    "double": float("-inf"),
}


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    """The original's schema editor with unique indexes that serve look-ups."""

    def create_model(self, model: type[Model]) -> None:
        """Create the collection and its indexes, or finish them: a migration that was killed has begun, and no more."""
        try:
            super().create_model(model)
        except DatabaseError as error:
            if not isinstance(error.__cause__, CollectionInvalid):
                raise
            self._create_model_indexes(model)
            for field in model._meta.local_many_to_many:
                through = field.remote_field.through
                if through is not None and through._meta.auto_created:
                    self.create_model(through)

    def add_index(
        self,
        model: type[Model],
        index: Index,
        *,
        field: Field[Any, Any] | None = None,
        unique: bool = False,
        column_prefix: str = "",
        parent_model: type[Model] | None = None,
    ) -> None:
        """Create the index; a unique one on top-level fields is made as the module says."""
        embedded = bool(column_prefix) or parent_model is not None
        keys = _keys(model, index, field)
        if not unique or embedded or any(key.null and self._smallest(key) is None for key, _ in keys):
            super().add_index(
                model, index, field=field, unique=unique, column_prefix=column_prefix, parent_model=parent_model
            )
            return
        described: Any = index
        condition = dict(described._get_condition_mql(model, self)) if index.condition else {}  # noqa: SLF001 -- the original's way
        # A condition on the field itself is a comparison, and keeps null out already.
        conditions = [
            *([condition] if condition else []),
            *(
                {key.column: {"$gte": self._smallest(key)}}
                for key, _ in keys
                if key.null and key.column not in condition
            ),
        ]
        options: dict[str, Any] = {}
        if conditions:
            options["partialFilterExpression"] = conditions[0] if len(conditions) == 1 else {"$and": conditions}
        columns = [(str(key.column), direction) for key, direction in keys]
        self.get_collection(model._meta.db_table).create_indexes(
            [IndexModel(columns, name=index.name, unique=True, **options)]
        )

    def _alter_field(  # noqa: PLR0917 -- the original's signature
        self,
        model: type[Model],
        old_field: Field[Any, Any],
        new_field: Field[Any, Any],
        old_type: str,
        new_type: str,
        old_db_params: dict[str, Any],
        new_db_params: dict[str, Any],
        strict: bool = False,
    ) -> None:
        # The shape of a unique index depends on whether the field takes null, which the original need not know.
        reshaped = (
            old_field.column == new_field.column
            and old_field.null != new_field.null
            and self._field_should_have_unique(old_field)
            and self._field_should_have_unique(new_field)
        )
        if reshaped:
            self._remove_field_unique(model, old_field)
        super()._alter_field(
            model, old_field, new_field, old_type, new_type, old_db_params, new_db_params, strict=strict
        )
        if reshaped:
            self._add_field_unique(model, new_field)

    def _smallest(self, field: Field[Any, Any]) -> Any:
        return SMALLEST.get(field.db_type(self.connection) or "")


def _keys(model: type[Model], index: Index, field: Field[Any, Any] | None) -> list[tuple[Field[Any, Any], int]]:
    """The index's fields with their directions. An index for one field's own `unique` names it in `field`."""
    if field is not None:
        return [(field, ASCENDING)]
    fields: dict[str, Any] = {name: model._meta.get_field(name) for name, _ in index.fields_orders}
    return [(fields[name], DESCENDING if order == "DESC" else ASCENDING) for name, order in index.fields_orders]
