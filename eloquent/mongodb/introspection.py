"""Reads back what indexes a collection has, text indexes included."""

from django_mongodb_backend import introspection


class DatabaseIntrospection(introspection.DatabaseIntrospection):
    """The original's introspection; it raises KeyError on a collection with a text index, which this knows."""

    ORDER_DIR = {**introspection.DatabaseIntrospection.ORDER_DIR, "text": "TEXT"}
