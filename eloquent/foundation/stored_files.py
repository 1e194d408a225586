"""All files of a storage that lie under one prefix."""

import contextlib

from django.core.files.storage import Storage


def remove_below(storage: Storage, prefix: str) -> int:
    """Delete all files whose key begins with `prefix/`, and the folder where the storage has such; how many there were.

    Raises:
        Exception: the storage's own, when it is away.
    """
    names = names_below(storage, prefix)
    for name in names:
        storage.delete(f"{prefix}/{name}")
    # A bucket has no folders, and one that was filled again meanwhile is not empty.
    with contextlib.suppress(OSError):
        storage.delete(prefix)
    return len(names)


def names_below(storage: Storage, prefix: str) -> list[str]:
    """The names of all files whose key begins with `prefix/`, without it."""
    try:
        _, names = storage.listdir(prefix)
    except FileNotFoundError:
        return []
    return list(names)
