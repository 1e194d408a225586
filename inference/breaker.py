"""A breaker for each model server: one that fails again and again is left alone for a while.

    closed ── FAILURES_TO_OPEN in a row ──▶ open ── after a rest ──▶ half open ── one probe: well ──▶ closed
                                              ▲                          │
                                              └────── one probe: failed ─┘   (the rest is doubled, up to LONGEST_REST_S)

Without it, everybody who asks a dead server waits for its timeout, and a server that comes back is met by all of them.
Each process has its own: what it knows of a server is what it saw.
"""

import time
from collections.abc import Callable
from typing import Final

from inference.errors import AnswerCutOff, InferenceError, ModelFailed, ModelTimeout, ModelUnreachable

FAILURES_TO_OPEN: Final = 5
FIRST_REST_S: Final = 5.0
LONGEST_REST_S: Final = 60.0

_HOSTS_FAULT: Final = (ModelUnreachable, ModelFailed, ModelTimeout, AnswerCutOff)
"""A refusal is none: whoever refuses is well."""


class Breaker:
    """What is known of one server."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._rest_s = FIRST_REST_S
        self._opens_until: float | None = None
        self._probing = False

    def rests_for_s(self) -> float:
        """What `refuses_for_s` would say now, without becoming the probe."""
        if self._opens_until is None:
            return 0.0
        left_s = self._opens_until - self._clock()
        return left_s if left_s > 0 else float(self._probing)

    def refuses_for_s(self) -> float:
        """0 when the server may be asked; else in how many seconds it is worth asking again.

        Whoever gets 0 from a server at rest is its probe, and must report by `succeeded`, `failed` or `left`.
        """
        rests_s = self.rests_for_s()
        if self._opens_until is not None and not rests_s:
            self._probing = True
        return rests_s

    def succeeded(self) -> None:
        """The server answers."""
        self._failures, self._rest_s, self._opens_until, self._probing = 0, FIRST_REST_S, None, False

    def failed(self, error: InferenceError) -> None:
        """A call of the server ended so. One that says that the server is well counts as none."""
        if not isinstance(error, _HOSTS_FAULT):
            self.succeeded()
            return
        self._failures += 1
        if self._opens_until is not None and self._probing:
            self._rest_s = min(self._rest_s * 2, LONGEST_REST_S)
            self._open()
        elif self._opens_until is None and self._failures >= FAILURES_TO_OPEN:
            self._open()

    def left(self) -> None:
        """A call ended without a word about the server: whoever asked has gone."""
        self._probing = False

    def _open(self) -> None:
        self._opens_until, self._probing = self._clock() + self._rest_s, False
