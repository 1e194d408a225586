"""ENGINE = "eloquent.mongodb": MongoDB's own Django backend, with queries and indexes that meet each other.

What differs from django-mongodb-backend 5.2.4, each with a test that fails on the original:

- unique indexes serve look-ups (schema.py);
- `order_by` is answered by an index (compiler.py);
- prefetching a foreign key looks its objects up by index (compiler.py);
- a transaction whose commit fails does not spoil the thread's connection for good (here);
- text indexes can be introspected (introspection.py).
"""

from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from eloquent.mongodb.geography import without_geography

with without_geography():
    from django_mongodb_backend import base

    from eloquent.mongodb.introspection import DatabaseIntrospection
    from eloquent.mongodb.operations import DatabaseOperations
    from eloquent.mongodb.schema import DatabaseSchemaEditor


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's connection. Its transactions are those of `django_mongodb_backend.transaction.atomic`."""

    SchemaEditorClass = DatabaseSchemaEditor
    introspection_class = DatabaseIntrospection
    ops_class = DatabaseOperations
    session: ClientSession | None
    run_on_commit: list[Any]

    def commit_mongo(self) -> None:
        """Commit; on failure forget the transaction before the error goes on.

        The original keeps it when the server answers with an error of its own (a write that was swallowed has
        already aborted the transaction), and every later `atomic()` of the thread then writes without one.
        """
        try:
            super().commit_mongo()
        except Exception:
            self._forget_transaction()
            raise

    def rollback_mongo(self) -> None:
        """Roll back. A server that no longer knows the transaction has rolled it back already."""
        try:
            super().rollback_mongo()
        except PyMongoError:
            self._forget_transaction()

    def _forget_transaction(self) -> None:
        self.run_on_commit = []
        if self.session is not None:
            session, self.session = self.session, None
            session.end_session()
