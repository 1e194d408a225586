"""Index kinds of MongoDB for a model's `Meta.indexes`; migrations create and drop them like any other index."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Index, Model
from pymongo import ASCENDING, TEXT
from pymongo.operations import IndexModel


class TTLIndex(Index):
    """Has the server delete a document some time after the moment in its one field.

    The server looks once a minute: a document may outlive its moment by that much, so code still compares times
    itself. A document whose field is null lives on.

    Args:
        expire_after_seconds: seconds between the field's moment and the deletion; 0 when the field is the end itself.
        options: what Django's Index takes; `fields` names exactly one field.
    """

    suffix = "ttl"

    def __init__(self, *, expire_after_seconds: int = 0, **options: Any) -> None:
        super().__init__(**options)
        if len(self.fields) != 1:
            raise ValueError("A TTLIndex has exactly one field.")
        if self.condition is not None:
            raise ValueError("A TTLIndex takes no condition.")
        self.expire_after_seconds = expire_after_seconds

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """What a migration writes down."""
        path, arguments, options = super().deconstruct()
        return path, arguments, {**options, "expire_after_seconds": self.expire_after_seconds}

    def get_pymongo_index_model(self, model: type[Model], schema_editor: object, **_options: Any) -> IndexModel:
        """The driver's description of the index (called by the backend's schema editor)."""
        del schema_editor
        return IndexModel(
            [(_column(model, self.fields[0]), ASCENDING)], name=self.name, expireAfterSeconds=self.expire_after_seconds
        )


class TextIndex(Index):
    """Full-text search over some fields, inside the documents that share the other fields' values.

    A search must then give those other fields by equality, e.g. `{"user_id": me, "$text": {"$search": "words"}}`,
    and reads only their part of the index. MongoDB allows one text index a collection.

    Args:
        searched: the fields whose words are indexed, all named in `fields` too.
        language: stemming and stop words; "none" keeps every word as it is, right for chats in many languages.
        options: what Django's Index takes; the fields of `fields` that are not searched are the equality prefix.
    """

    suffix = "txt"

    def __init__(self, *, searched: Sequence[str] = (), language: str = "none", **options: Any) -> None:
        super().__init__(**options)
        if not searched or not set(searched) <= set(self.fields):
            raise ValueError("A TextIndex names its searched fields, all of them also in fields.")
        if self.condition is not None:
            raise ValueError("A TextIndex takes no condition.")
        self.searched = tuple(searched)
        self.language = language

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        """What a migration writes down."""
        path, arguments, options = super().deconstruct()
        return path, arguments, {**options, "searched": self.searched, "language": self.language}

    def get_pymongo_index_model(self, model: type[Model], schema_editor: object, **_options: Any) -> IndexModel:
        """The driver's description of the index (called by the backend's schema editor)."""
        del schema_editor
        keys = [(_column(model, name), TEXT if name in self.searched else ASCENDING) for name in self.fields]
        # A document's own "language" field would otherwise change how it is indexed.
        return IndexModel(keys, name=self.name, default_language=self.language, language_override="text_index_language")


def _column(model: type[Model], field_name: str) -> str:
    field: Any = model._meta.get_field(field_name)
    column: str = field.column
    return column
