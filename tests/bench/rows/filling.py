"""Very many documents, quickly: copies of one that the product wrote, with their own ids, owners and times."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

from pymongo import WriteConcern
from pymongo.errors import BulkWriteError

BATCH = 5_000
WRITERS = 2
# From so many on, indexes are made anew at the end: sorting once is faster than finding a place for each.
MANY = 50_000


def fill(collection: Any, make: Callable[[int], dict[str, Any]], count: int) -> float:
    """Insert `make(0)` to `make(count - 1)` and say how many seconds it took.

    Raises:
        BulkWriteError: a document was refused.
    """
    started = time.monotonic()
    target = collection.with_options(write_concern=WriteConcern(w=1, j=False))

    def insert(first: int) -> None:
        documents = [make(number) for number in range(first, min(first + BATCH, count))]
        try:
            target.insert_many(documents, ordered=False, bypass_document_validation=True)
        except BulkWriteError as error:
            # Its own words hold every document.
            raise BulkWriteError({"writeErrors": error.details["writeErrors"][:1]}) from None

    with _indexes_at_the_end(collection) if count >= MANY else nullcontext(), ThreadPoolExecutor(WRITERS) as writers:
        for _ in writers.map(insert, range(0, count, BATCH)):
            pass
    # What was written waits in memory; the disk's work for it must not fall into the measuring.
    collection.database.client.admin.command("fsync")
    return time.monotonic() - started


@contextmanager
def _indexes_at_the_end(collection: Any) -> Iterator[None]:
    """The collection's indexes are gone meanwhile, and then made again as they were."""
    specs = [dict(spec) for spec in collection.list_indexes() if spec["name"] != "_id_"]
    collection.drop_indexes()
    yield
    if specs:
        collection.database.command("createIndexes", collection.name, indexes=specs)
