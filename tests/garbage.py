"""What a block of code leaves to the garbage collector."""

import gc
import types
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OURS = ("accounts.", "chat.", "eloquent.", "inference.")


@contextmanager
def counted_garbage(*others: str) -> Iterator[Counter[str]]:
    """Counts what the block leaves to the collector of the project's own and of the other packages, by kind."""
    packages = (*OURS, *(f"{other}." for other in others))
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(kind for kind in map(_kind, gc.garbage) if kind.startswith(packages))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _kind(thing: Any) -> str:
    if isinstance(thing, types.FunctionType):
        return f"{thing.__module__}.{thing.__qualname__}"
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
