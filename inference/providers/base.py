"""What a provider of language models must do. One file beside this one for each wire format.

Who one talks to (address, key, connection) is a `Server`; how one talks (the bytes) is a decoder without any input or
output of its own. A provider joins the two.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

from inference.types import Event, PromptRequest


class ProviderModel(msgspec.Struct, frozen=True):
    """A language model that a server lists.

    `name` is what its server calls it. `context_window` is in tokens, for one answer (prompt and output together), and
    None when the server does not say. `capabilities` are words such as "tools", "thinking", "vision". `loaded` is
    whether it can answer at once; None when the server does not say.
    """

    name: str
    context_window: int | None = None
    capabilities: tuple[str, ...] = ()
    loaded: bool | None = None


class Vectors(msgspec.Struct, frozen=True):
    """One vector for each text, in order. `input_tokens` is None when the server did not count them."""

    vectors: list[list[float]]
    input_tokens: int | None = None


HOST_OF: Final = "@"
"""Between a provider's name and the address of one of its servers, in the server's name."""


class Host(Protocol):
    """One of a provider's servers: what has a breaker and a queue of its own."""

    name: str
    """The provider's name, and, where that has several servers, `HOST_OF` and the server's address."""

    def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """As `Provider.answer`, by this server."""
        ...


@runtime_checkable
class Spread(Protocol):
    """A provider with several servers, which have models of the same names."""

    def hosts_having(self, model: str) -> Sequence[Host]:
        """Those that can be asked for this model; one at least."""
        ...

    def hosts_for(self, model: str) -> Sequence[Host]:
        """The same, the one first that is to be asked now: each call is for an answer."""
        ...


class Provider(Host, Protocol):
    """A server of language models."""

    name: str
    """Stable and short: it is the first part of a model's id, which conversations store."""

    refuses_overflow: bool
    """Whether a prompt that does not fit the window is a `PromptTooLong`, counted exactly. When it is False, the server
    may leave out the oldest turns and tell nobody."""

    def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """The answer as events, read as fast as they are taken.

        - Zero or more events, then exactly one `Finished`. When it is missing, a cut answer passes for a whole one.
        - All text of one network read is one `TextDelta`. When it is not, a burst costs as many journal writes,
          frames and wake-ups as it has tokens.
        - Closing the generator closes the connection. When it does not, a stopped model keeps working and the next
          person waits for nothing.
        - Failures are `InferenceError` alone, with the server's words on `__cause__`, raised after every event that
          came before them. When they are not, text that arrived is lost, or a path of the server is shown to a user.
        - The body names a bounded number of output tokens. When it does not, a small model talks for minutes.
        - There is no clock in here but that for the connection: the router keeps the others for all providers alike.
        """
        ...

    async def models(self) -> list[ProviderModel]:
        """What the server offers now, in its order, without those that cannot chat.

        Raises `InferenceError` when the server is down. A wrong window here means silent loss of the oldest turns.
        """
        ...

    async def aclose(self) -> None:
        """Let go of what the provider itself opened. The shared HTTP client is not its own."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """A provider that also has models which turn texts into vectors. Such a model need not be able to chat."""

    @property
    def embedders(self) -> Sequence[ProviderModel]:
        """These models, as of the last call of `models`."""
        ...

    async def embed(self, model: str, texts: Sequence[str]) -> Vectors:
        """The texts as vectors. A text that does not fit the model's window is a `PromptTooLong`; nothing is cut.

        Raises `InferenceError` alone.
        """
        ...
