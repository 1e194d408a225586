"""What staff decided, laid over what servers list. Pure, but for `Entries`, which remembers it for some seconds."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import structlog

from inference.store import ModelEntry
from inference.timeouts import Timeouts
from inference.types import GenerationOptions

log = structlog.get_logger(__name__)

FRESH_S: Final = 2.0
STALE_S: Final = 4.0
"""Nobody is shown what is older: a decision holds everywhere within 5 s."""
READING_LIMIT_S: Final = 0.8
"""A database that is away must not keep a question waiting: the last decisions hold."""


class Entries:
    """The entries as they were a moment ago. Belongs to one event loop."""

    def __init__(self, read: Callable[[], Awaitable[list[ModelEntry]]]) -> None:
        self._read = read
        self._entries: dict[str, ModelEntry] = {}
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None
        self._is_away = False

    async def current(self) -> dict[str, ModelEntry]:
        """By the model's id, in the order of the list. At most `STALE_S` old, unless the database is away."""
        age = asyncio.get_running_loop().time() - self._read_at if self._read_at is not None else None
        if age is None or age >= FRESH_S:
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read_anew())
            if age is None or age >= STALE_S:
                # Shielded: it is read for everybody.
                await asyncio.shield(self._reading)
        return self._entries

    async def aclose(self) -> None:
        """End a reading that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_anew(self) -> None:
        try:
            async with asyncio.timeout(READING_LIMIT_S):
                entries = await self._read()
        except Exception as error:  # noqa: BLE001  (whatever it is, the models that servers list can be asked)
            if not self._is_away:
                log.warning("the catalog of language models cannot be read", error=type(error).__name__)
            self._is_away = True
        else:
            self._is_away = False
            self._entries = {entry.model_id: entry for entry in entries}
        self._read_at = asyncio.get_running_loop().time()


def options_of(entry: ModelEntry) -> GenerationOptions:
    """What holds for questions that do not say otherwise."""
    keep_alive: str | int | None = entry.keep_alive or None
    if isinstance(keep_alive, str) and keep_alive.lstrip("-").isdigit():
        keep_alive = int(keep_alive)  # Ollama takes bare seconds as a number alone
    return GenerationOptions(
        temperature=entry.temperature,
        top_p=entry.top_p,
        max_output_tokens=entry.max_output_tokens,
        thinking=entry.thinking,
        keep_alive=keep_alive,
    )


def timeouts_of(entry: ModelEntry) -> Timeouts:
    """The patiences with the model; what was not decided is the default."""
    decided = {name: getattr(entry, name) for name in ("first_token_s", "idle_s", "total_s")}
    return msgspec.structs.replace(Timeouts(), **{name: value for name, value in decided.items() if value is not None})


def with_defaults(options: GenerationOptions, defaults: GenerationOptions) -> GenerationOptions:
    """The options, and the defaults where they say nothing."""
    if defaults == GenerationOptions():
        return options
    unsaid = [name for name in GenerationOptions.__struct_fields__ if getattr(options, name) in (None, ())]
    return msgspec.structs.replace(options, **{name: getattr(defaults, name) for name in unsaid})


def in_order(ids: Sequence[str], entries: dict[str, ModelEntry]) -> list[str]:
    """Models with an entry first, by their entries' order; the others behind them, as they were listed."""
    place = {model_id: number for number, model_id in enumerate(entries)}
    return sorted(ids, key=lambda model_id: place.get(model_id, len(place)))
