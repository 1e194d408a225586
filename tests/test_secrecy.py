"""A run whose log has a secret fails, whichever process logged it."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from eloquent.embedded.programs import PROJECT
from eloquent.foundation.logs import MASK
from tests import conftest
from tests.secrecy import Keeper

TOKEN = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6"
JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLWlzLWhlcmU"


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(tmp_path / "log")
    yield keeper
    keeper.close()


def logged(keeper: Keeper, message: str, *arguments: object, **fields: object) -> None:
    record = logging.LogRecord("room", logging.WARNING, "", 0, message, arguments, None)
    record.fields = fields
    keeper.handle(record)


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (TOKEN, f"session {TOKEN}"),
        (TOKEN, f'{{"value":"{TOKEN}"}}'),
        ("correct horse battery staple", "signed in with correct horse battery staple today"),
        (JWT, f"signature {JWT.rpartition('.')[2]}"),
        ("", f"sk-eloquent-{'0123abcd' * 8}"[:21]),
        ("", "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC"),
    ],
)
def test_a_secret_is_found_and_not_told(keeper: Keeper, secret: str, message: str) -> None:
    keeper.remember(secret, "a secret")
    keeper._file.write(message + "\n")  # behind the formatter, whose net catches some
    [leak] = keeper.leaks()
    assert leak.startswith("log:1 has a")
    assert secret == "" or secret not in leak


def test_what_was_masked_and_what_is_no_secret_is_not_found(keeper: Keeper) -> None:
    keeper.remember(TOKEN, "a token")
    keeper.remember("short", "a word")
    logged(keeper, "a short word, %s", "sk-eloquent-0123abcd", password=TOKEN, token=JWT)
    logged(keeper, f"Authorization: Bearer {TOKEN}")
    logged(keeper, "mongodb://user:hunter2@host/")
    assert keeper.leaks() == []
    logged(keeper, "value %s", TOKEN)
    assert len(keeper.leaks()) == 1


def test_files_of_other_processes_are_read(keeper: Keeper, tmp_path: Path) -> None:
    keeper.files |= {tmp_path / "web.log", tmp_path / "never written"}
    keeper.remember(TOKEN, "a token")
    (tmp_path / "web.log").write_text(f"one line\nvalue {TOKEN}\n")
    assert keeper.leaks() == ["web.log:2 has a token: value [44 characters]"]


def test_a_run_that_leaks_fails_though_its_tests_pass() -> None:
    files = ["-o", "python_files=leaking.py", "tests/fakes/leaking.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *files]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=100)
    assert "2 passed" in run.stdout
    assert run.returncode == 1
    assert "has a value of “password”: " in run.stdout
    assert "has a value of “refresh_token”: " in run.stdout
    assert "violet marmalade" not in run.stdout


def test_a_worker_of_a_parallel_run_tells_the_controller(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    logged(keeper, f"sk-eloquent-{'0' * 8}{MASK}")
    keeper._file.write(f"{JWT}\n")
    found: list[str] = []
    monkeypatch.setattr(conftest, "_leaks", found)
    monkeypatch.setattr(conftest, "_keeper", [keeper])
    worker: Any = SimpleNamespace(config=SimpleNamespace(workeroutput={}), exitstatus=0)
    conftest.pytest_sessionfinish(worker)
    told = worker.config.workeroutput
    assert [leak.partition(":")[0] for leak in told["leaks"]] == ["log"]
    controller: Any = SimpleNamespace(config=SimpleNamespace(), exitstatus=0)
    monkeypatch.setattr(conftest, "_leaks", [])
    monkeypatch.setattr(conftest, "_keeper", [])
    conftest.pytest_sessionfinish(controller)
    assert controller.exitstatus == 0
    conftest.pytest_testnodedown(SimpleNamespace(workeroutput=told))
    conftest.pytest_testnodedown(SimpleNamespace())  # a worker that crashed has told nothing
    conftest.pytest_sessionfinish(controller)
    assert controller.exitstatus == pytest.ExitCode.TESTS_FAILED
