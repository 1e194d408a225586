"""Tells Django which compiler turns its queries into aggregation pipelines."""

from django_mongodb_backend import operations


class DatabaseOperations(operations.DatabaseOperations):
    """The original's operations with our compiler."""

    compiler_module = "eloquent.mongodb.compiler"
