"""The language models on an Ollama server: what is there, what is loaded, bringing, warming and removing one.

Described at https://docs.ollama.com/api. Operators do this; nobody who asks a question waits for any of it.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import msgspec

from inference.errors import AnswerCutOff, InferenceError, ModelFailed, VendorError
from inference.providers.refusals import failure_in_stream, unreadable
from inference.providers.server import LOST, Server

WARMING_LIMIT_S: Final = 300.0
SILENCE_LIMIT_S: Final = 120.0
"""How long a pull may say nothing. It says something 16 times a second, but checking a large file takes a while."""
_LINE_LIMIT_BYTES: Final = 64 * 1024


class InstalledModel(msgspec.Struct, frozen=True):
    """A model on the server's disk. Sizes in bytes; what the server does not say is empty or 0."""

    name: str
    size_bytes: int
    digest: str
    family: str
    parameters: str
    quantization: str
    context_length: int
    capabilities: tuple[str, ...]


class LoadedModel(msgspec.Struct, frozen=True):
    """A model in memory. `vram_bytes` is 0 on a CPU; `expires_at` is RFC 3339, in the year 2318 when it is for ever."""

    name: str
    size_bytes: int
    vram_bytes: int
    context_length: int
    expires_at: str


class PullProgress(msgspec.Struct, frozen=True):
    """One step of bringing a model. Bytes are of the file that `status` names, and 0 where there is none."""

    status: str
    total_bytes: int
    completed_bytes: int


class Shelf:
    """One server's models. Everything raises `InferenceError`; what the server said is on its cause."""

    def __init__(self, base_url: str) -> None:
        self._server = Server(base_url)

    async def installed(self) -> list[InstalledModel]:
        """All models on the disk, the newest first."""
        listed = await self._server.get("/api/tags", _Tags, about="ollama")
        return [tag.installed() for tag in listed.models or []]

    async def loaded(self) -> list[LoadedModel]:
        """The models in memory. One that is being loaded is not among them."""
        listed = await self._server.get("/api/ps", _Tags, about="ollama")
        return [tag.loaded() for tag in listed.models or []]

    async def describe(self, name: str) -> dict[str, Any]:
        """What the server knows of a model: template, parameters, details, capabilities; without its tensors.

        Raises:
            ModelMissing: it is not there.
        """
        told = await self._server.post("/api/show", _asking(name), dict[str, Any], about=name)
        return {key: value for key, value in told.items() if key != "tensors"}

    async def pull(self, name: str) -> AsyncGenerator[PullProgress, None]:
        """Bring a model from the registry that its name is of; ends when it is there.

        Closing it, or losing the connection, stops the download; the next pull goes on from there.

        Raises:
            ModelFailed: there is no such model, or the server cannot reach the registry.
            AnswerCutOff: the connection ended before the model was there.
        """
        response = await self._server.open("/api/pull", _asking(name), about=name)
        rest, succeeded = b"", False
        reads = aiter(response.aiter_raw())
        try:
            while True:
                try:
                    async with asyncio.timeout(SILENCE_LIMIT_S):
                        data = await anext(reads, b"")
                except LOST as error:
                    raise AnswerCutOff(name) from error
                *lines, rest = (rest + data).split(b"\n") if data else (rest, b"")
                for line in filter(None, lines):
                    step = _step_of(line, name)
                    succeeded = step.status == "success"
                    yield step
                if len(rest) > _LINE_LIMIT_BYTES:
                    raise unreadable(name, rest, ValueError("a line without end"))
                if not data:
                    break
        finally:
            await response.aclose()
        if not succeeded:
            raise AnswerCutOff(name)

    async def warm(self, name: str, *, window: int, keep_alive: str | int | None = None) -> None:
        """Load a model as answers will use it. `window` must be theirs: another one would load it once more.

        Raises:
            ModelFailed: it cannot be loaded, or not within `WARMING_LIMIT_S`.
        """
        asked: dict[str, Any] = {"model": name, "messages": [], "stream": False, "options": {"num_ctx": window}}
        if keep_alive is not None:
            asked["keep_alive"] = keep_alive
        await self._loading(name, asked)

    async def unload(self, name: str) -> None:
        """Take a model out of memory. Answers that are being written are finished first."""
        await self._loading(name, {"model": name, "messages": [], "stream": False, "keep_alive": 0})

    async def remove(self, name: str) -> None:
        """Delete a model from the disk.

        Raises:
            ModelMissing: it is not there.
        """
        await self._server.delete("/api/delete", _asking(name), about=name)

    async def embed(self, name: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text, in order.

        Raises:
            PromptRejected: the model makes no vectors, or a text is empty.
            PromptTooLong: a text does not fit its window. Nothing is cut silently.
        """
        if not texts:
            return []
        asked = msgspec.json.encode({"model": name, "input": texts, "truncate": False})
        vectors = (await self._server.post("/api/embed", asked, _Embedded, about=name)).embeddings
        if len(vectors) != len(texts):
            raise unreadable(name, b"", ValueError(f"{len(vectors)} vectors for {len(texts)} texts"))
        return vectors

    async def _loading(self, name: str, asked: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(WARMING_LIMIT_S):
                await self._server.post("/api/chat", msgspec.json.encode(asked), msgspec.Raw, about=name)
        except TimeoutError as error:
            raise ModelFailed(name) from VendorError(f"not loaded in {WARMING_LIMIT_S:.0f} s: {error!r}")


class _Details(msgspec.Struct):
    family: str = ""
    parameter_size: str = ""
    quantization_level: str = ""
    context_length: int = 0


class _Tag(msgspec.Struct):
    name: str
    size: int = 0
    size_vram: int = 0
    digest: str = ""
    expires_at: str = ""
    context_length: int = 0
    details: _Details = msgspec.field(default_factory=_Details)
    capabilities: tuple[str, ...] | None = None

    def installed(self) -> InstalledModel:
        details = self.details
        return InstalledModel(
            self.name,
            self.size,
            self.digest,
            details.family,
            details.parameter_size,
            details.quantization_level,
            details.context_length,
            self.capabilities or (),
        )

    def loaded(self) -> LoadedModel:
        return LoadedModel(self.name, self.size, self.size_vram, self.context_length, self.expires_at)


class _Tags(msgspec.Struct):
    models: list[_Tag] | None = None


class _Embedded(msgspec.Struct):
    embeddings: list[list[float]] = []


class _Step(msgspec.Struct):
    status: str = ""
    total: int = 0
    completed: int = 0
    error: Any = None


def _asking(name: str) -> bytes:
    return msgspec.json.encode({"model": name})


def _step_of(line: bytes, name: str) -> PullProgress:
    try:
        step = msgspec.json.decode(line, type=_Step)
    except msgspec.DecodeError as error:
        raise unreadable(name, line, error) from error
    if step.error is not None:
        raise failure_in_stream(name, step.error)
    return PullProgress(step.status, step.total, step.completed)


def said_by_the_server(error: InferenceError) -> str:
    """The error for an operator: the sentence, and the server's own words, which nobody else is shown."""
    told = error.__cause__.text if isinstance(error.__cause__, VendorError) else ""
    return f"{error.detail} ({told})" if told else error.detail
