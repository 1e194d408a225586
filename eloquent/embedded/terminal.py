"""What the person at the terminal sees while servers start and stop: one line a step, and never two silent seconds.

On a terminal a moving line shows what is under way; elsewhere (a log, a pipe) plain lines do.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

SILENCE_S = 1.6
REDRAW_S = 0.2
NAME_WIDTH = 12


class Terminal:
    """Safe to use from any thread."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._under_way: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._said_at = time.monotonic()
        self.hint = ""
        """Added to the line of what is under way, e.g. how to hurry."""

    @property
    def is_interactive(self) -> bool:
        """Whether a person looks on, and not a file or a pipe."""
        return self._console.is_terminal

    def say(self, text: str = "", style: str = "") -> None:
        """One line, or several."""
        self._print(Text(text, style=style))

    def problem(self, text: str) -> None:
        """Something that the reader should see."""
        self.say(text, style="bold red")

    def notice(self, text: str) -> None:
        """Something that is not as wished, and works."""
        self.say(text, style="yellow")

    @contextmanager
    def step(self, name: str, doing: str) -> Iterator[None]:
        """Shows it as under way for as long as the block takes. Says nothing at its end: see `done`."""
        with self._lock:
            self._under_way[name] = (doing, time.monotonic())
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[name]

    def done(self, name: str, took_s: float, what: str) -> None:
        """The line of a finished step."""
        line = Text("  ok  ", style="green")
        line.append(f"{name:<{NAME_WIDTH}}", style="bold default")
        line.append(f"{took_s:6.2f} s  {what}", style="not bold default")
        self._print(line)

    @contextmanager
    def lively(self) -> Iterator[None]:
        """While the block runs, what is under way is shown."""
        over = threading.Event()
        show = self._redraw if self._console.is_terminal else self._print_now_and_then
        ticker = threading.Thread(target=show, args=(over,), name="terminal", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            over.set()
            ticker.join()

    def _print(self, text: Text) -> None:
        self._said_at = time.monotonic()
        self._console.print(text)

    def _now(self) -> str:
        with self._lock:
            parts = [
                f"{name} {doing} ({time.monotonic() - since:.0f} s)" for name, (doing, since) in self._under_way.items()
            ]
        return ", ".join(parts) + (f" {self.hint}" if parts and self.hint else "")

    def _redraw(self, over: threading.Event) -> None:
        status: Status | None = None
        while not over.wait(REDRAW_S):
            now = self._now()
            if now and status is None:
                status = self._console.status(now)
                status.start()
            elif now and status is not None:
                status.update(now)
            elif status is not None:
                # Nothing moves for the hours in which the chat just runs.
                status.stop()
                status = None
        if status is not None:
            status.stop()

    def _print_now_and_then(self, over: threading.Event) -> None:
        while not over.wait(REDRAW_S):
            silent_s = time.monotonic() - self._said_at
            now = self._now()
            if now and silent_s > SILENCE_S:
                self.say(f"  ..  {now}")
