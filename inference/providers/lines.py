"""What the wire formats share: bytes cut into whole lines, and pieces folded into as few events as possible."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from inference.errors import AnswerCutOff
from inference.providers.decoder import Decoder
from inference.providers.refusals import unreadable
from inference.types import Event, ReasoningDelta, TextDelta, ToolCall

LINE_LIMIT_BYTES: Final = 4 * 1024 * 1024


class LineDecoder(Decoder):
    """A decoder of a format in lines."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self._rest = b""

    def feed(self, data: bytes) -> Sequence[Event]:
        """The events of one network read, text merged; without `Finished`."""
        if self._rest:
            data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        if not end:
            if len(data) > LINE_LIMIT_BYTES:
                self.failure = unreadable(self.model, data, ValueError("a line without end"))
            return ()
        return self._events_of(data[:end], whole=True)

    def end(self) -> Sequence[Event]:
        """No more bytes will come: the events of a last line without a newline, and the verdict on the answer."""
        if self.is_over:
            return ()
        rest, self._rest = self._rest, b""
        # Half a line at the end of a broken connection is no fault of the format, so it is not reported as one.
        events = self._events_of(rest, whole=False) if rest.strip() else ()
        if not self.is_over:
            self.failure = AnswerCutOff(self.model)
        return events

    @abstractmethod
    def _events_of(self, data: bytes, *, whole: bool) -> Sequence[Event]:
        """The events of these lines. Lines that cannot be read are a `failure` if they are `whole`, else skipped."""


def flush(events: list[Event], texts: list[str]) -> None:
    """Make the pieces one TextDelta, if there are any."""
    if texts:
        events.append(TextDelta("".join(texts)))
        texts.clear()


def think(events: list[Event], thought: str) -> None:
    """Append to the reasoning that the events end with, or begin it."""
    last = events[-1] if events else None
    if isinstance(last, ReasoningDelta):
        events[-1] = ReasoningDelta(last.text + thought)
    else:
        events.append(ReasoningDelta(thought))


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """A call's arguments as an object. Empty when the model wrote none, or something else: servers refuse the turn."""
    try:
        told = msgspec.json.decode(call.arguments or "{}")
    except msgspec.DecodeError:
        return {}
    return told if isinstance(told, dict) else {}
