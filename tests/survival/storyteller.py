"""A language model that tells tales: at the pace that a question names, waiting where it says to be let on."""

import asyncio
from typing import Any

from tests.fakes.ollama import FakeModel, FakeOllama
from tests.survival.tales import Tale

NAME = "storyteller"


class Storyteller(FakeOllama):
    """Serves Ollama's protocol in the running loop. Tales are known by their numbers."""

    def __init__(self) -> None:
        super().__init__(**{NAME: FakeModel(context_length=1_000_000)})
        self.asked: list[int] = []
        """The tales asked for, each as often as it was."""
        self.told: set[int] = set()
        """Those told to their end."""
        self.left: set[int] = set()
        """Those whose listener closed the connection before the end."""
        self._gates: dict[tuple[int, int], asyncio.Event] = {}

    def go_on(self, tale: Tale) -> None:
        """Tell the tale to its end without waiting any more."""
        for token in tale.waits:
            self.go_on_from(tale, token)

    def go_on_from(self, tale: Tale, token: int) -> None:
        """Wait before this token no longer."""
        self._gate(tale, token).set()

    async def until_asked(self, tale: Tale) -> None:
        """Wait until somebody wants to hear it."""
        async with self._changed:
            await self._changed.wait_for(lambda: tale.number in self.asked)

    async def until_left(self, tale: Tale) -> None:
        """Wait until the listener has closed the connection in the middle of it."""
        async with self._changed:
            await self._changed.wait_for(lambda: tale.number in self.left)

    def model_for(self, body: Any) -> FakeModel:
        tale = Tale.asked_for(body)
        if tale is None:
            return FakeModel(tokens=("Tales", " told"))
        gates = {token: self._gate(tale, token) for token in tale.waits}
        return FakeModel(tokens=tale.pieces(), tokens_per_s=tale.per_s or None, gates=gates)

    def began(self, body: Any) -> None:
        if tale := Tale.asked_for(body):
            self.asked.append(tale.number)

    def ended(self, body: Any, *, completed: bool) -> None:
        if tale := Tale.asked_for(body):
            (self.told if completed else self.left).add(tale.number)

    def _gate(self, tale: Tale, token: int) -> asyncio.Event:
        return self._gates.setdefault((tale.number, token), asyncio.Event())
