"""The files themselves, by their keys. The one point where their storage, whose interface is sync, is called.

It has threads of its own: a slow bucket holds up nobody but those who want its files.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from chat.attachments.errors import StorageAway
from eloquent.foundation.stored_files import names_below, remove_below

_Kept = TypeVar("_Kept")

_AT_ONCE: Final = 4
_threads: Final = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="attachments")


async def keep_file(key: str, content: bytes) -> None:
    """Keep the bytes under the key.

    Raises:
        StorageAway: they could not be kept.
    """
    await _in_thread(lambda: _storage().save(key, ContentFile(content)))


async def file_at(key: str) -> bytes | None:
    """The bytes under the key; None when there are none.

    Raises:
        StorageAway: it cannot be known.
    """
    return await _in_thread(lambda: _read(key))


async def remove_file(key: str) -> None:
    """Delete what is under the key, if anything is.

    Raises:
        StorageAway: it may still be there.
    """
    await _in_thread(lambda: _storage().delete(key))


async def remove_files_below(prefix: str) -> int:
    """Delete all files whose key begins with `prefix/`, known of or not; how many there were.

    Raises:
        StorageAway: some may still be there.
    """
    return await _in_thread(lambda: remove_below(_storage(), prefix))


async def count_files_below(prefix: str) -> int:
    """How many files have a key that begins with `prefix/`.

    Raises:
        StorageAway: it cannot be known.
    """
    return len(await _in_thread(lambda: names_below(_storage(), prefix)))


def remove_file_at_desk(key: str) -> None:
    """`remove_file` for the desk road, which is sync.

    Raises:
        StorageAway: it may still be there.
    """
    try:
        _storage().delete(key)
    except Exception as error:
        raise StorageAway(retry_after_s=5) from error


def _storage() -> Storage:
    return storages["attachments"]


def _read(key: str) -> bytes | None:
    try:
        with _storage().open(key) as file:
            content: bytes = file.read()
    except FileNotFoundError:
        return None
    return content


async def _in_thread(call: Callable[[], _Kept]) -> _Kept:
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, call)
    except Exception as error:  # whatever the storage is made of, it is away
        raise StorageAway(retry_after_s=5) from error
