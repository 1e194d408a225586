"""Passwords: how they are checked and hashed, and hashing off the event loop.

Which are accepted is in `accounts.password_rules`, listed in AUTH_PASSWORD_VALIDATORS for both roads. Hashing takes
tens of milliseconds of one core on purpose. It runs in a few threads of its own (argon2 lets go of the interpreter
lock), so that signing in never holds up an answer that streams.
"""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from django.contrib.auth import hashers
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from eloquent.foundation.errors import InvalidInput, Unavailable

_Result = TypeVar("_Result")

# One core is left to the event loop where there is more than one. A thread holds `memory_cost` while it hashes.
HASHING_THREADS: Final = max(1, min(4, (os.cpu_count() or 1) - 1))
# About three seconds of work. Whoever comes later is told to come back rather than left to wait.
MAX_WAITING: Final = 64


class Argon2Hasher(Argon2PasswordHasher):
    """argon2id with 19 MiB, two passes and one lane, as OWASP's password storage sheet has it: about 30 ms of one core.

    Django's own parameters (100 MiB, eight lanes) start eight threads for each sign-in. Passwords are normalised to
    NFKC first, since keyboards differ in how they spell the same character.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """The encoded hash."""
        encoded: str = super().encode(unicodedata.normalize("NFKC", password), salt)
        return encoded

    def verify(self, password: str, encoded: str) -> bool:
        """Whether the password made this hash."""
        return super().verify(unicodedata.normalize("NFKC", password), encoded)


class Verdict(msgspec.Struct, frozen=True):
    """Whether a password was right, and its hash with today's parameters when the stored one has older ones."""

    right: bool
    newer_hash: str | None = None


class _Owner(msgspec.Struct, frozen=True):
    email: str
    name: str


def check_new_password(password: str, *, email: str, name: str = "", field: str) -> None:
    """Return when the password may be used by the owner of this email and name.

    Raises:
        InvalidInput: with a sentence for every rule that it breaks, at `field` of the body.
    """
    try:
        validate_password(password, _Owner(email, name))  # type: ignore[arg-type]  # our validators read these two
    except ValidationError as error:
        raise InvalidInput(
            " ".join(error.messages), errors=[{"loc": ["body", field], "msg": message} for message in error.messages]
        ) from None


async def hash_password(password: str) -> str:
    """The encoded hash, made in a hashing thread.

    Raises:
        Unavailable: too many wait already.
    """
    return await _in_hashing_thread(make_password, password)


async def verify_password(password: str, encoded: str | None) -> Verdict:
    """Whether the password made this hash; `None`, when there is nobody to compare with, is always wrong.

    A wrong password and no one to compare with each cost one hash with today's parameters. The one exception is a
    user who has not signed in since the parameters were raised: their hash is compared with its own.

    Raises:
        Unavailable: too many wait already.
    """
    return await _in_hashing_thread(_verdict, password, encoded)


def _verdict(password: str, encoded: str | None) -> Verdict:
    if encoded is None:
        make_password(password)
        return Verdict(right=False)
    right, outdated = hashers.verify_password(password, encoded)
    return Verdict(right=right, newer_hash=make_password(password) if right and outdated else None)


class _HashingThreads:
    """The threads of this process, made at the first password."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="argon2")
        self._inside = 0

    async def run(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        if self._inside >= MAX_WAITING + HASHING_THREADS:
            raise Unavailable("Too many people are signing in right now. Try again in a moment.", retry_after_s=3.0)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._inside -= 1


@lru_cache(maxsize=1)
def _hashing_threads() -> _HashingThreads:
    return _HashingThreads()


async def _in_hashing_thread(work: Callable[..., _Result], *arguments: Any) -> _Result:
    return await _hashing_threads().run(work, *arguments)
