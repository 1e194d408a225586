"""A span for each command to MongoDB: its name and its collection, never a value.

PyMongo tells a listener of a command in the task that waits for its reply, so the current span is the right one. Our
own, since OpenTelemetry's instrumentation asks the whole of its API about each command, those included that nobody
traces, and stores the span in a dictionary that a lost reply would never leave.
"""

from typing import Final

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from eloquent.foundation.telemetry.spans import Kind, Span, begun_span

# A command that is never answered (its connection was given up) leaves its span here.
_MOST_OPEN: Final = 10_000
# Nobody waits for these.
_NOT_TRACED: Final = frozenset({"hello", "ismaster", "ping", "killCursors", "endSessions"})


class DatabaseSpans(CommandListener):
    """PyMongo's listener. One for the process."""

    def __init__(self) -> None:
        self._open: dict[int, Span] = {}

    def started(self, event: CommandStartedEvent) -> None:
        """A command is sent."""
        command = event.command_name
        if command in _NOT_TRACED:
            return
        named = event.command.get("collection" if command == "getMore" else command)
        collection = named if isinstance(named, str) else None
        span = begun_span(f"{command} {collection}" if collection else command, Kind.CLIENT)
        if span is None:
            return
        attributes = span.attributes
        attributes["db.system.name"] = "mongodb"
        attributes["db.operation.name"] = command
        attributes["db.namespace"] = event.database_name
        if collection:
            attributes["db.collection.name"] = collection
        if len(self._open) >= _MOST_OPEN:
            self._open.clear()
        self._open[event.request_id] = span

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Its reply is there."""
        span = self._open.pop(event.request_id, None)
        if span is not None:
            span.end()

    def failed(self, event: CommandFailedEvent) -> None:
        """It was refused, or its reply never came."""
        span = self._open.pop(event.request_id, None)
        if span is not None:
            span.fail(str(event.failure.get("codeName") or event.failure.get("errtype") or "failed"))
            span.end()
