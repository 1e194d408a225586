"""What every decoder of a wire format is: bytes in as the network cuts them, events out, and a verdict at the end."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from inference.errors import InferenceError
from inference.types import Event, Finished


class Decoder(ABC):
    """The bytes of one answer. Where the network cuts them makes no difference to the events' content.

    `finished` is set when the answer is complete, `failure` when it cannot be completed; the events returned so far are
    good in both cases.
    """

    def __init__(self, model: str) -> None:
        self.finished: Finished | None = None
        self.failure: InferenceError | None = None
        self.model = model

    @abstractmethod
    def feed(self, data: bytes) -> Sequence[Event]:
        """The events of one network read, text merged; without `Finished`."""

    @abstractmethod
    def end(self) -> Sequence[Event]:
        """No more bytes will come: the events that were still held back, and the verdict on the answer."""

    @property
    def is_over(self) -> bool:
        """Nothing that may still come would change the answer."""
        return self.finished is not None or self.failure is not None
