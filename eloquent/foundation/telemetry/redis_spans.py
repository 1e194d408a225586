"""A client of Redis with a span for each round trip: the command's name, never a key or a value."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from eloquent.foundation.telemetry.spans import Kind, Span, begun_span


def _span(command: str) -> Span | None:
    span = begun_span(command, Kind.CLIENT)
    if span is not None:
        span.note(db__system__name="redis", db__operation__name=command)
    return span


class TracedPipeline(Pipeline):
    """Commands that go together are one span."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """One span, with how many commands went together; what fails ends the span with the error's kind."""
        span = _span("PIPELINE")
        if span is None:
            return await super().execute(raise_on_error)
        span.note(db__operation__batch__size=len(self.command_stack))
        try:
            return await super().execute(raise_on_error)
        except BaseException as error:
            span.fail(type(error).__name__)
            raise
        finally:
            span.end()


class TracedRedis(Redis):
    """Redis's own client; outside of a trace it does nothing more than that one."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """One span by the command's name, which is its first argument; what fails ends it with the error's kind."""
        span = _span(str(args[0]))
        if span is None:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        try:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except BaseException as error:
            span.fail(type(error).__name__)
            raise
        finally:
            span.end()

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """A traced one, on this client's connections."""
        return TracedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
