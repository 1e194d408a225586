"""Not looking for GDAL, the library of maps: no model of ours has a place on earth.

django-mongodb-backend asks for it at each start, three times, and each time the linker and the compiler are started
to look under sixteen names: a fifth of what a command or a worker takes to start.
"""

import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_geography() -> Iterator[None]:
    """Meanwhile no library of the system is found by its name, so that what asks for GDAL hears at once that it is not.

    For imports at the start, while there is one thread.
    """
    search = ctypes.util.find_library
    ctypes.util.find_library = _not_found
    try:
        yield
    finally:
        ctypes.util.find_library = search


def _not_found(name: str) -> str | None:  # noqa: ARG001 - as the standard library names it
    return None
