"""The fuzzer itself: a short story of a conversation holds, and a hole in it is found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat import store
from tests.front_door.threaded_server import serving_chat
from tests.fuzz.fuzzer import Fuzzer

STORY = (
    "create_conversation",
    "read_conversation",
    "change_conversation",
    "list_messages",
    "delete_conversation",
    "start_run",
    "read_run",
)
SHORT = ["--max-examples", "6", "--seed", "7", "--generation-database", "none"]


@pytest.fixture
def fuzzer(db: None, tmp_path: Path) -> Iterator[Fuzzer]:
    """One that plays with a server of this process."""
    with serving_chat() as url:
        yield Fuzzer(url, tmp_path)


def found_by(fuzzer: Fuzzer, phases: str, *operations: str) -> tuple[int, str]:
    """The exit code, and what was printed."""
    named = [argument for operation in operations for argument in ("--include-operation-id", operation)]
    done = fuzzer.run(*SHORT, "--phases", phases, *named, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_a_short_fuzz_of_a_conversation_finds_nothing(fuzzer: Fuzzer) -> None:
    code, told = found_by(fuzzer, "coverage,stateful", *STORY)
    assert code == 0, told
    assert "Stateful (in" in told


def test_a_conversation_that_outlives_its_deletion_is_found(fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def forgotten(*_: Any) -> bool:
        return True

    monkeypatch.setattr(store, "delete_conversation", forgotten)
    code, told = found_by(fuzzer, "stateful", "create_conversation", "read_conversation", "delete_conversation")
    assert (code, "Deleted resource still available" in told, "curl -X DELETE" in told) == (1, True, True), told
