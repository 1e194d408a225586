"""The files of exports, by their keys: in an S3 bucket or the state directory, beside attachments and apart from them.

Their storage, whose interface is sync, is called in threads of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Final, TypeVar

from django.core.files import File
from django.core.files.storage import Storage, storages

from accounts.errors import ExportsAway
from eloquent.foundation.stored_files import remove_below

_Result = TypeVar("_Result")

PIECE_BYTES: Final = 64 * 1024
_threads: Final = ThreadPoolExecutor(2, thread_name_prefix="exports")


async def keep_file(key: str, content: BinaryIO) -> None:
    """Keep all of the open file under the key.

    Raises:
        ExportsAway: it could not be kept.
    """

    def keep() -> None:
        content.seek(0)
        _storage().save(key, File(content, name=key))

    await _in_thread(keep)


async def pieces_of(key: str, start: int, length: int) -> AsyncIterator[bytes]:
    """So many bytes under the key from `start` on; fewer when the file is gone.

    Raises:
        ExportsAway: it cannot be read.
    """
    file: Any = await _in_thread(lambda: _opened(key, start))
    if file is None:
        return
    try:
        while length > 0 and (piece := await _in_thread(lambda: file.read(min(PIECE_BYTES, length)))):  # noqa: B023
            length -= len(piece)
            yield piece
    finally:
        await _in_thread(file.close)


async def is_there(key: str) -> bool:
    """Whether there is a file under the key.

    Raises:
        ExportsAway: it cannot be known.
    """
    return await _in_thread(lambda: _storage().exists(key))


async def remove_file(key: str) -> None:
    """Delete what is under the key, if anything is.

    Raises:
        ExportsAway: it may still be there.
    """
    await _in_thread(lambda: _storage().delete(key))


async def remove_files_below(prefix: str) -> int:
    """Delete all files whose key begins with `prefix/`; how many there were.

    Raises:
        ExportsAway: some may still be there.
    """
    return await _in_thread(lambda: remove_below(_storage(), prefix))


async def in_thread(call: Callable[[], _Result]) -> _Result:
    """What the call returns, made in a thread of the exports': it is their disk, and their time."""
    return await asyncio.get_running_loop().run_in_executor(_threads, call)


def _storage() -> Storage:
    return storages["exports"]


def _opened(key: str, start: int) -> Any:
    try:
        file = _storage().open(key)
    except FileNotFoundError:
        return None
    file.seek(start)
    return file


async def _in_thread(call: Callable[[], _Result]) -> _Result:
    try:
        return await in_thread(call)
    except Exception as error:  # whatever the storage is made of, it is away
        raise ExportsAway(retry_after_s=5) from error
