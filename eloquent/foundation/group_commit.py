"""Group commit: writes of one kind that come at the same time go to MongoDB as one command.

A write that comes alone is sent at once, as it is. Those that come while it is on its way wait for it, and are then
sent together: the busier the process is, the fewer commands does a write cost.

What it is about: https://en.wikipedia.org/wiki/Commit_(data_management)#Group_commit
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextvars import Context
from typing import Any, Final, Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import structlog
from bson.errors import BSONError
from pymongo import UpdateOne, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError, WriteError

from eloquent.foundation.database import Document, database

log = structlog.get_logger(__name__)

MOST_TOGETHER: Final = 100
"""How many writes go in one command."""

_UNWAITED: Final = WriteConcern(w=1)
_DUPLICATE_KEY: Final = 11000
_TOO_LARGE: Final = 10334
# What the driver raises for a value that BSON does not have, or not that large.
_CANNOT_BE_SENT: Final = (BSONError, OverflowError, TypeError, UnicodeError)

Change: TypeAlias = Document | list[Document]
_Write = TypeVar("_Write")
_Result = TypeVar("_Result")


async def insert(collection: str, documents: Sequence[Document], *, soon: bool = False) -> None:
    """Insert the documents. `soon`: without waiting for the journal.

    Raises:
        DuplicateKeyError: one of them is not the first with its key.
        PyMongoError: they are not written, or it is not known.
    """
    await _lane(_Inserts, collection, soon=soon).write(documents)


async def update(collection: str, criteria: Document, change: Change, *, soon: bool = False) -> bool:
    """Change one document. `soon`: without waiting for the journal.

    Whether there was one to change. Of use only with criteria that hold after the change as well: among many writes,
    the one that found nothing is looked for afterwards.

    Raises:
        PyMongoError: it is not written, or it is not known.
    """
    return await _lane(_Updates, collection, soon=soon).write((criteria, change))


class _Lane(ABC, Generic[_Write, _Result]):
    """The writes of one kind, into one collection, that wait for the same durability."""

    def __init__(self, name: str, *, soon: bool) -> None:
        self._name = name
        self._concern = _UNWAITED if soon else None
        self._is_busy = False
        self._waiting: list[tuple[_Write, asyncio.Future[_Result]]] = []
        self._others: asyncio.Task[None] | None = None

    async def write(self, write: _Write) -> _Result:
        if self._is_busy:
            written: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
            self._waiting.append((write, written))
            return await written
        self._is_busy = True
        try:
            return await self._write_one(write)
        finally:
            if self._waiting:
                # Whoever wrote first goes on with its own work, or was cancelled: the others have a task of their own.
                # And a context of its own: they are in another trace.
                self._others = asyncio.create_task(
                    self._write_others(), name=f"writes to {self._name}", context=Context()
                )
            else:
                self._is_busy = False

    async def _write_others(self) -> None:
        together: list[tuple[_Write, asyncio.Future[_Result]]] = []
        try:
            while self._waiting:
                together, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
                together = [(write, written) for write, written in together if not written.done()]
                for (_, written), outcome in zip(together, await self._outcomes(together), strict=True):
                    if written.done():
                        continue
                    if isinstance(outcome, BaseException):
                        written.set_exception(outcome)
                    else:
                        written.set_result(outcome)
        finally:
            self._is_busy = False
            left, self._waiting = [*together, *self._waiting], []
            for _, written in left:
                written.cancel()  # only when the task itself is cancelled: otherwise all of them are done

    async def _outcomes(
        self, together: Sequence[tuple[_Write, asyncio.Future[_Result]]]
    ) -> Sequence[_Result | BaseException]:
        writes = [write for write, _ in together]
        if len(writes) > 1:
            try:
                return await self._write_many(writes)
            except PyMongoError as error:
                if getattr(error, "code", None) != _TOO_LARGE:
                    return [error] * len(writes)
            except _CANNOT_BE_SENT as error:
                log.warning("a write cannot be sent", collection=self._name, error=type(error).__name__)
        # One that is too large, or no document at all, must not take the others with it: of those nothing was written.
        return await asyncio.gather(*map(self._write_one, writes), return_exceptions=True)

    @property
    def _collection(self) -> AsyncCollection[Document]:
        return database().get_collection(self._name, write_concern=self._concern)

    @abstractmethod
    async def _write_one(self, write: _Write) -> _Result: ...

    @abstractmethod
    async def _write_many(self, writes: Sequence[_Write]) -> Sequence[_Result | BaseException]:
        """The outcome of each. Raises PyMongoError where it is the same for all."""


class _Inserts(_Lane[Sequence[Document], None]):
    async def _write_one(self, write: Sequence[Document]) -> None:
        if len(write) == 1:
            await self._collection.insert_one(write[0])
        else:
            await self._collection.insert_many(write)

    async def _write_many(self, writes: Sequence[Sequence[Document]]) -> Sequence[BaseException | None]:
        outcomes: list[BaseException | None] = [None] * len(writes)
        try:
            await self._collection.insert_many([document for write in writes for document in write], ordered=False)
        except BulkWriteError as error:
            writer = [number for number, write in enumerate(writes) for _ in write]
            for refused in _refusals(error):
                outcomes[writer[refused["index"]]] = _error(refused)
        return outcomes


class _Updates(_Lane[tuple[Document, Change], bool]):
    async def _write_one(self, write: tuple[Document, Change]) -> bool:
        return (await self._collection.update_one(*write)).matched_count == 1

    async def _write_many(self, writes: Sequence[tuple[Document, Change]]) -> Sequence[bool | BaseException]:
        outcomes: list[bool | BaseException] = [True] * len(writes)
        try:
            result = await self._collection.bulk_write([UpdateOne(*write) for write in writes], ordered=False)
            matched = result.matched_count
        except BulkWriteError as error:
            matched = error.details["nMatched"]
            for refused in _refusals(error):
                outcomes[refused["index"]] = _error(refused)
        if matched < sum(outcome is True for outcome in outcomes):
            # How many found nothing is known, which of them is not. It happens when something was deleted meanwhile.
            collection = self._collection
            found = await asyncio.gather(*(collection.find_one(criteria, {"_id": True}) for criteria, _ in writes))
            for number, document in enumerate(found):
                if document is None and outcomes[number] is True:
                    outcomes[number] = False
        return outcomes


def _refusals(error: BulkWriteError) -> Sequence[dict[str, Any]]:
    """What was refused of a command. Raises the error itself where all of it is in doubt."""
    details: Any = error.details
    if details["writeConcernErrors"]:
        raise error
    refused: list[dict[str, Any]] = details["writeErrors"]
    return refused


def _error(refused: dict[str, Any]) -> PyMongoError:
    """The error that the write alone would have had."""
    kind = DuplicateKeyError if refused["code"] == _DUPLICATE_KEY else WriteError
    return kind(refused["errmsg"], refused["code"], refused)


# A connection belongs to its loop, and so do those who wait.
_lanes: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[type, str, bool], Any]] = WeakKeyDictionary()


def _lane(kind: type[_Lane[_Write, _Result]], collection: str, *, soon: bool) -> _Lane[_Write, _Result]:
    lanes = _lanes.setdefault(asyncio.get_running_loop(), {})
    lane: _Lane[_Write, _Result] | None = lanes.get((kind, collection, soon))
    if lane is None:
        lane = lanes[kind, collection, soon] = kind(collection, soon=soon)
    return lane
