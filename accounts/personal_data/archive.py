"""A ZIP that is written piece by piece into a file on the disk, with a list of what is in it at its end. Sync.

Memory holds a piece, however large the archive becomes. `manifest.json` is the last file, because only then are all
lengths and hashes known.
"""

import hashlib
import zipfile
from typing import Any, BinaryIO, Final

import msgspec
import orjson

FORMAT: Final = "eloquent.export/1"
MANIFEST: Final = "manifest.json"


class ArchivedFile(msgspec.Struct, frozen=True):
    """A file of the archive, as the manifest has it."""

    name: str
    place: str
    documents: int
    bytes: int
    sha256: str


class Archive:
    """Begin a file, write its pieces, end it; `close` is the last."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self._files: list[ArchivedFile] = []
        self._names: set[str] = set()
        self._open: Any = None

    def begin(self, name: str, place: str, *, is_packed: bool = False) -> None:
        """The next file. `is_packed`: compressing it would be for nothing."""
        if name in self._names:
            raise ValueError(f"{name} is in the archive already.")
        self._names.add(name)
        self._name, self._place = name, place
        self._size, self._documents, self._hash = 0, 0, hashlib.sha256()
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
        # How long it will be is not known: without this, more than 2 GiB could not be written.
        self._open = self._zip.open(info, "w", force_zip64=True)

    def write(self, content: bytes, documents: int) -> None:
        """The next bytes of the file, in which so many documents end."""
        self._open.write(content)
        self._hash.update(content)
        self._size += len(content)
        self._documents += documents

    def end(self) -> None:
        """The file is whole."""
        self._open.close()
        self._files.append(ArchivedFile(self._name, self._place, self._documents, self._size, self._hash.hexdigest()))

    def close(self, about: dict[str, Any]) -> None:
        """Write the manifest, which says `about` and lists the files, and the archive's end."""
        manifest = {"format": FORMAT, **about, "files": [msgspec.to_builtins(file) for file in self._files]}
        options = orjson.OPT_UTC_Z | orjson.OPT_INDENT_2
        self._zip.writestr(MANIFEST, orjson.dumps(manifest, option=options) + b"\n")
        self._zip.close()
