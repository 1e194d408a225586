"""What the drivers send to MongoDB, and the server's own account of how it would answer.

The listener is registered for every client of the process, so it must be imported before the first one is made
(tests/conftest.py does).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import monitoring
from pymongo.database import Database

# Commands that look for documents, and so have a plan. A batch of updates or deletes has one plan each.
PLANNED = {"find", "aggregate", "count", "distinct", "update", "delete", "findAndModify"}
# What the driver adds for the connection's own purposes and `explain` does not take.
NOT_EXPLAINED = {"$db", "lsid", "$clusterTime", "txnNumber", "autocommit", "startTransaction", "readConcern"}
# Index bounds reach to the ends of time, further than Python's dates.
AT_ALL_TIMES = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)


class Command(NamedTuple):
    """One command as it was sent, e.g. name "find", collection "users"."""

    name: str
    collection: str
    body: dict[str, Any]


class _Recorder(monitoring.CommandListener):
    def __init__(self) -> None:
        self.listeners: list[list[Command]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if not self.listeners:
            return
        body = dict(event.command)
        command = Command(event.command_name, str(body.get(event.command_name, "")), body)
        for commands in self.listeners:
            commands.append(command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


_recorder = _Recorder()
monitoring.register(_recorder)


@contextmanager
def recorded_commands() -> Iterator[list[Command]]:
    """Every command that any client of this process sends meanwhile, explains and all, in order."""
    commands: list[Command] = []
    _recorder.listeners.append(commands)
    try:
        yield commands
    finally:
        _recorder.listeners.remove(commands)


class Plan(NamedTuple):
    """How the server answers one look-up. `stages` are those of the chosen plan, e.g. {"FETCH", "IXSCAN"}."""

    command: Command
    stages: frozenset[str]
    indexes: frozenset[str]
    looked_up_by_scanning: bool
    examined: int
    returned: int

    @property
    def scans(self) -> bool:
        """Whether a whole collection is read, be it one that is joined."""
        return "COLLSCAN" in self.stages or self.looked_up_by_scanning

    @property
    def sorts_in_memory(self) -> bool:
        """Whether the order comes from sorting what was found rather than from an index."""
        return bool(self.stages & {"SORT", "$sort"})

    @property
    def reads_too_much(self) -> bool:
        """Whether much more is read than comes back, as when an index serves only part of what is asked.

        The allowance is for what one owner has in these tests: a write's plan is asked for after the write.
        """
        return self.examined > 2 * self.returned + 24


def plans_of(command: Command, database: Database[dict[str, Any]]) -> list[Plan]:
    """The plan of each look-up that the command makes: none for an insert, one per statement for updates."""
    if command.name not in PLANNED or command.collection in {"1", "$cmd"}:
        return []
    body = {name: value for name, value in command.body.items() if name not in NOT_EXPLAINED}
    statements = {"update": "updates", "delete": "deletes"}.get(command.name)
    bodies = [{**body, statements: [statement]} for statement in body[statements]] if statements else [body]
    return [
        _plan(command, database.command("explain", each, verbosity="executionStats", codec_options=AT_ALL_TIMES))
        for each in bodies
    ]


def _plan(command: Command, explained: dict[str, Any]) -> Plan:
    stages: set[str] = set()
    indexes: set[str] = set()
    for plan in _values_of("winningPlan", explained):
        stages |= set(_values_of("stage", plan))
        indexes |= set(_values_of("indexName", plan))
    for pipeline in _values_of("stages", explained):
        stages |= {name for stage in pipeline for name in stage if name.startswith("$")}
    scanned = any(scans for scans in _values_of("collectionScans", explained))
    # Each stage counts too; what the whole plan read and returned stands at the top of `executionStats`.
    statistics = list(_values_of("executionStats", explained))
    examined = [each[name] for each in statistics for name in ("totalDocsExamined", "totalKeysExamined")]
    returned = [each["nReturned"] for each in statistics]
    return Plan(
        command, frozenset(stages), frozenset(indexes), scanned, max(examined, default=0), max(returned, default=0)
    )


def _values_of(name: str, document: Any) -> Iterator[Any]:
    """Every value under this name, however deep."""
    if isinstance(document, dict):
        if name in document:
            yield document[name]
        for key, value in document.items():
            if key != "rejectedPlans":
                yield from _values_of(name, value)
    elif isinstance(document, list):
        for value in document:
            yield from _values_of(name, value)
