"""Why a server did not start, read from its exit code, its log and the disk."""

import errno
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from eloquent.embedded.errors import (
    LOADER_MESSAGE,
    TOO_OLD_MESSAGE,
    DidNotStart,
    DiskFull,
    EmbeddedServerError,
    LibraryMissing,
    NotPermitted,
    PortTaken,
)
from eloquent.embedded.room import user_name

# With less than this free, whatever went wrong went wrong for that reason.
NOTHING_FREE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """About the server of this name in this directory; `needed` is the bytes that a fresh start takes there."""

    name: str
    directory: Path
    log_path: Path
    needed: int

    def of_end(self, code: int, said: str, last_lines: list[str], port: int) -> EmbeddedServerError:
        """It ended before it answered; a negative `code` names a signal."""
        if missing := LOADER_MESSAGE.search(said):
            return LibraryMissing(self.name, missing[1])
        if self._disk_is_full(said):
            return DiskFull(self.name, self.directory, self.needed)
        if "address already in use" in said.lower():
            return PortTaken(self.name, port)
        if "Permission denied" in said:
            return NotPermitted(self.name, self.directory, user_name())
        if too_old := TOO_OLD_MESSAGE.search(said):
            return EmbeddedServerError(
                f"{self.name} needs {too_old[1]}, which is newer than this system. "
                "Use Debian 12, Ubuntu 22.04 or newer."
            )
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return DidNotStart(self.name, f"{how} before it answered", self.log_path, last_lines)

    def of_silence(self, waited_s: float, said: str, last_lines: list[str]) -> EmbeddedServerError:
        """It runs and does not answer."""
        if self._disk_is_full(said):
            return DiskFull(self.name, self.directory, self.needed)
        return DidNotStart(self.name, f"did not answer within {waited_s:.0f} s", self.log_path, last_lines)

    def of_os_error(self, error: OSError) -> EmbeddedServerError:
        """We could not even write what a start needs."""
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return DiskFull(self.name, self.directory, self.needed)
        return EmbeddedServerError(f"{self.name} cannot use {self.directory}: {error.strerror or error}.")

    def _disk_is_full(self, said: str) -> bool:
        """What the server says about it may have found no room in its log, which lies on the same disk."""
        return "No space left on device" in said or shutil.disk_usage(self.directory).free < NOTHING_FREE_BYTES
