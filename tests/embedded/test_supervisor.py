import io
import re
import threading
from pathlib import Path

import pytest
from rich.console import Console

from eloquent.embedded import supervisor as supervisor_module
from eloquent.embedded.errors import EmbeddedServerError
from eloquent.embedded.supervisor import RESTARTS, Stopped, Supervisor
from eloquent.embedded.terminal import Terminal
from tests.embedded.talker import Talker


class Screen:
    def __init__(self) -> None:
        self.file = io.StringIO()
        self.terminal = Terminal(Console(file=self.file, highlight=False, soft_wrap=True))

    @property
    def text(self) -> str:
        return self.file.getvalue()


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def supervisor(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    monkeypatch.setattr(supervisor_module, "RESTART_PAUSE_S", 0)
    return Supervisor(screen.terminal)


def named(name: str, talker: Talker, *, essential: bool = False, restarts: bool = True) -> Talker:
    talker.name, talker.essential, talker.restarts = name, essential, restarts  # type: ignore[misc]
    return talker


def test_each_start_is_one_line_with_its_time_and_address(
    supervisor: Supervisor, screen: Screen, tmp_path: Path
) -> None:
    talkers = [named(name, Talker(tmp_path / name)) for name in ("first", "second")]
    supervisor.wait_for(supervisor.start(*talkers))
    lines = sorted(screen.text.splitlines())
    supervisor.stop()
    assert len(lines) == 2
    assert re.fullmatch(r"  ok  first +\d+\.\d\d s  tcp://127.0.0.1:\d+", lines[0])


def test_they_are_stopped_in_reverse_even_after_one_was_brought_back(
    supervisor: Supervisor, screen: Screen, tmp_path: Path
) -> None:
    first, second = (named(name, Talker(tmp_path / name)) for name in ("first", "second"))
    supervisor.wait_for(supervisor.start(first, second))
    address, pid = first.address, first.pid
    first.crash()

    def stop_when_back() -> None:
        if "ended unexpectedly" in screen.text and first.is_running():
            supervisor.stop_wanted.set()

    supervisor.watch(stop_when_back)
    assert (first.address, first.pid != pid) == (address, True)
    assert "first ended unexpectedly (code -9).\n    talker says hello" in screen.text
    supervisor.stop()
    stopped = [line.split()[1] for line in screen.text.splitlines() if line.endswith("stopped")]
    assert stopped == ["second", "first"]
    assert not first.is_running()
    assert not second.is_running()


def test_an_essential_one_that_keeps_dying_ends_it_all_after_a_few_tries(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    talker = named("first", Talker(tmp_path / "t", dies_after=1), essential=True)
    supervisor.wait_for(supervisor.start(talker))
    with pytest.raises(EmbeddedServerError, match=f"first ended again and again. Its log is {talker.log_path}"):
        supervisor.watch(lambda: talker.be_asked() if talker.is_running() else None)
    assert len(talker.starts) == 1 + RESTARTS
    supervisor.stop()


def test_one_that_is_not_essential_is_given_up_and_the_rest_goes_on(
    supervisor: Supervisor, screen: Screen, tmp_path: Path
) -> None:
    talker = named("first", Talker(tmp_path / "t", dies_after=1))
    supervisor.wait_for(supervisor.start(talker))
    looks_after_it = []

    def ask() -> None:
        if "Going on without it." in screen.text:
            looks_after_it.append(1)
        elif talker.is_running():
            talker.be_asked()
        if len(looks_after_it) == 3:
            supervisor.stop_wanted.set()

    supervisor.watch(ask)
    assert len(talker.starts) == 1 + RESTARTS
    assert screen.text.count("Going on without it.") == 1


def test_one_that_should_not_restart_ends_it_all_at_once(supervisor: Supervisor, tmp_path: Path) -> None:
    talker = named("first", Talker(tmp_path / "t", dies_after=1), essential=True, restarts=False)
    supervisor.wait_for(supervisor.start(talker))
    talker.be_asked()
    with pytest.raises(EmbeddedServerError, match=r"first ended\. Its log is"):
        supervisor.watch(lambda: None)
    assert len(talker.starts) == 1


@pytest.mark.parametrize("essential", [True, False])
def test_only_an_essential_one_that_cannot_start_is_a_failure(
    supervisor: Supervisor, screen: Screen, tmp_path: Path, essential: bool
) -> None:
    talker = named("first", Talker(tmp_path / "t"), essential=essential)
    talker.script = "raise SystemExit(9)"
    futures = supervisor.start(talker)
    if essential:
        with pytest.raises(EmbeddedServerError, match="first ended with code 9"):
            supervisor.wait_for(futures)
    else:
        supervisor.wait_for(futures)
        assert "first ended with code 9" in screen.text
        assert "Going on without first." in screen.text
    supervisor.stop()


def test_a_stop_while_something_starts_ends_the_start(supervisor: Supervisor, tmp_path: Path) -> None:
    talker = Talker(tmp_path / "t", mute=True)
    talker.start_timeout_s = 60
    futures = supervisor.start(talker)
    threading.Timer(0.3, supervisor.stop_wanted.set).start()
    with pytest.raises(Stopped):
        supervisor.wait_for(futures)
    supervisor.stop()
    assert not talker.is_running()


def test_while_something_is_under_way_a_line_says_so_without_a_terminal(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = threading.Event()
    say = screen.terminal.say
    monkeypatch.setattr("eloquent.embedded.terminal.SILENCE_S", 0.1)
    monkeypatch.setattr(screen.terminal, "say", lambda text="", style="": (say(text, style), said.set()))
    with screen.terminal.lively():
        assert not said.wait(0.5)  # nothing under way, nothing to say
        with screen.terminal.step("MongoDB", "is starting"):
            assert said.wait(10)
    assert screen.text.startswith("  ..  MongoDB is starting (0 s)")


def test_on_a_terminal_a_moving_line_says_so_and_goes_away_after_it() -> None:
    file = io.StringIO()
    terminal = Terminal(Console(file=file, force_terminal=True, width=80))
    shown, looks = threading.Event(), threading.Event()
    now = terminal._now

    def seen() -> str:
        (shown if "MongoDB is starting" in file.getvalue() else looks).set()
        return now()

    terminal._now = seen  # type: ignore[method-assign]
    with terminal.lively():
        assert looks.wait(10)
        assert file.getvalue() == ""
        with terminal.step("MongoDB", "is starting"):
            assert shown.wait(10)
        show_cursor = "\x1b[?25h"
        for _ in range(100):
            if show_cursor in file.getvalue() or threading.Event().wait(0.1):
                break
        assert show_cursor in file.getvalue()
