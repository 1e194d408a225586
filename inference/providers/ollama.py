"""Ollama's own chat, POST /api/chat: one JSON object a line (https://docs.ollama.com/api/chat).

This is the hot path. All lines of a network read are decoded by one call and their text is merged.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import msgspec

from inference.errors import InferenceError, ModelUnreachable
from inference.providers.base import ProviderModel, Vectors
from inference.providers.lines import LineDecoder, arguments_of, flush, think
from inference.providers.ollama_hosts import Host, Hosts, named
from inference.providers.refusals import failure_in_stream, unreadable
from inference.providers.server import conversation
from inference.types import (
    DEFAULT_OUTPUT_TOKENS,
    Event,
    Finished,
    FinishReason,
    PromptMessage,
    PromptRequest,
    TextDelta,
    ToolCall,
    Usage,
)

HOST_LIMIT_S: Final = 1.5
"""How long one of several servers may take to list its models: less than the catalog waits for all of them."""
WINDOW_CAP: Final = 8192
"""Tokens. Memory grows with it for each parallel answer, so a model that could read 128k does not by default."""
_TEXTS_AT_ONCE: Final = 32
"""So that what comes back stays below the bound of a whole answer, whatever the length of a vector."""

_REASONS: Final = {None: FinishReason.STOP, "stop": FinishReason.STOP, "length": FinishReason.LENGTH}


class _Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Call(msgspec.Struct, gc=False):
    function: _Function
    id: str = ""


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(msgspec.Struct, gc=False):
    message: _Message | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None


_LINES: Final = msgspec.json.Decoder(_Line)


class OllamaDecoder(LineDecoder):
    """The lines of one answer. A stream may end properly and yet have no `done: true`: that is an answer cut off."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self._called_tools = False

    def _events_of(self, data: bytes, *, whole: bool) -> Sequence[Event]:
        try:
            return self._folded(_LINES.decode_lines(data))
        except ValueError:
            pass
        lines: list[_Line] = []
        for text in data.splitlines():
            try:
                lines += _LINES.decode_lines(text)
            except ValueError as error:
                events = self._folded(lines)
                if whole and not self.is_over:
                    self.failure = unreadable(self.model, text, error)
                return events
        return self._folded(lines)

    def _folded(self, lines: list[_Line]) -> Sequence[Event]:
        events: list[Event] = []
        texts: list[str] = []
        for line in lines:
            message = line.message
            if message is not None:
                if message.thinking:
                    flush(events, texts)
                    think(events, message.thinking)
                if message.content:
                    texts.append(message.content)
                if message.tool_calls:
                    flush(events, texts)
                    events += [self._called(call) for call in message.tool_calls]
            if line.error is not None:
                self.failure = failure_in_stream(self.model, line.error)
                break
            if line.done:
                self.finished = self._finish(line)
                break
        if texts:
            events.append(TextDelta("".join(texts)))
        return events

    def _called(self, call: _Call) -> ToolCall:
        self._called_tools = True
        return ToolCall(call.id, call.function.name, bytes(call.function.arguments).decode())

    def _finish(self, line: _Line) -> Finished:
        reason = _REASONS.get(line.done_reason, FinishReason.OTHER)
        if self._called_tools and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS  # Ollama says "stop" for both
        reported = line.prompt_eval_count is not None and line.eval_count is not None
        return Finished(reason, Usage(line.prompt_eval_count, line.eval_count, reported))


class Ollama:
    """One or several Ollama servers, which have models of the same names."""

    name = "ollama"
    refuses_overflow = True

    def __init__(self, *base_urls: str) -> None:
        self._hosts = Hosts([Host(url, name, self._answer_of) for url, name in named(self.name, base_urls)])
        self._windows: dict[str, int] = {}

    def answer(self, request: PromptRequest) -> AsyncGenerator[Event, None]:
        """The answer. Headers come only with the first token, so a loading model is told apart by asking /api/ps."""
        return self.hosts_for(request.model)[0].answer(request)

    def hosts_having(self, model: str) -> list[Host]:
        """The servers that have the model."""
        return self._hosts.having(model)

    def hosts_for(self, model: str) -> list[Host]:
        """The same, the one first that is to be asked now."""
        return self._hosts.in_order(model)

    def _answer_of(self, host: Host, request: PromptRequest) -> AsyncGenerator[Event, None]:
        model, body = request.model, chat_body(request)
        return conversation(
            lambda: host.loads.begin(model, host.server.open("/api/chat", body, about=model)),
            OllamaDecoder(model),
            is_loading=lambda: self._is_loading(host, model),
            leave=lambda opening: host.loads.leave(model, opening),
        )

    async def models(self) -> list[ProviderModel]:
        """The models that can chat, of all servers that answer. A window is the model's own, at most `WINDOW_CAP`.

        Where servers differ about a window it is the smallest: a conversation may go to any of them.
        """
        listings = await asyncio.gather(*map(self._models_of, self._hosts.all), return_exceptions=True)
        failures = [listing for listing in listings if isinstance(listing, BaseException)]
        for failure in failures:
            if not isinstance(failure, InferenceError) or len(failures) == len(listings):
                raise failure
        found: dict[str, ProviderModel] = {}
        for listing in listings:
            for model in () if isinstance(listing, BaseException) else listing:
                known = found.setdefault(model.name, model)
                windows = [each for each in (known.context_window, model.context_window) if each is not None]
                loaded = known.loaded or model.loaded
                found[model.name] = msgspec.structs.replace(
                    known, context_window=min(windows, default=None), loaded=loaded
                )
        return list(found.values())

    @property
    def embedders(self) -> list[ProviderModel]:
        """The models that make vectors, of all servers, as they were last listed."""
        return list({model.name: model for host in self._hosts.all for model in host.embedders}.values())

    async def embed(self, model: str, texts: Sequence[str]) -> Vectors:
        """One vector of length 1 for each text (https://docs.ollama.com/api/embed), a few at a time."""
        host = self.hosts_for(model)[0]
        vectors: list[list[float]] = []
        tokens: int | None = 0
        host.answering += 1
        try:
            for at in range(0, len(texts), _TEXTS_AT_ONCE):
                some = texts[at : at + _TEXTS_AT_ONCE]
                asked = msgspec.json.encode({"model": model, "input": some, "truncate": False})
                told = await host.server.post("/api/embed", asked, _Embedded, about=model)
                if len(told.embeddings) != len(some):
                    raise unreadable(model, b"", ValueError(f"{len(told.embeddings)} vectors for {len(some)} texts"))
                vectors += told.embeddings
                tokens = None if tokens is None or told.prompt_eval_count is None else tokens + told.prompt_eval_count
            host.noted(None)
        except InferenceError as error:
            host.noted(error)
            raise
        finally:
            host.answering -= 1
        return Vectors(vectors, tokens)

    async def aclose(self) -> None:
        """Close what is kept open for readers who have left."""
        await asyncio.gather(*(host.loads.aclose() for host in self._hosts.all))

    async def _models_of(self, host: Host) -> list[ProviderModel]:
        try:
            async with asyncio.timeout(HOST_LIMIT_S):
                listed = await host.server.get("/api/tags", _Tags, about=self.name)
                resident = await self._resident(host)
                models = [
                    ProviderModel(
                        model.name,
                        await self._window_of(host, model),
                        tuple(model.capabilities or ()),
                        loaded=None if resident is None else _tagged(model.name) in resident,
                    )
                    for model in listed.models or []
                    if model.capabilities is None or {"completion", "embedding"} & set(model.capabilities)
                ]
        except (InferenceError, TimeoutError) as error:
            failure = error if isinstance(error, InferenceError) else ModelUnreachable(self.name)
            host.noted(failure)
            raise failure from error
        host.models = frozenset(model.name for model in models)
        host.embedders = tuple(model for model in models if "embedding" in model.capabilities)
        return [model for model in models if not model.capabilities or "completion" in model.capabilities]

    async def _window_of(self, host: Host, model: "_Tag") -> int | None:
        known = model.details.context_length if model.details else None
        if not known and model.digest not in self._windows:
            # Servers before 0.30 tell it only here. The digest names the weights, so it is asked once.
            asked = msgspec.json.encode({"model": model.name})
            shown = await host.server.post("/api/show", asked, _Shown, about=model.name)
            lengths = [v for k, v in shown.model_info.items() if k.endswith(".context_length") and isinstance(v, int)]
            self._windows[model.digest] = lengths[0] if lengths else 0
        window = known or self._windows.get(model.digest, 0)
        return min(window, WINDOW_CAP) if window > 0 else None

    async def _is_loading(self, host: Host, model: str) -> bool:
        """True when the server is up without the model in memory: /api/ps lists it only once it is loaded."""
        resident = await self._resident(host)
        return resident is not None and _tagged(model) not in resident

    async def _resident(self, host: Host) -> frozenset[str] | None:
        """The models in memory, with their tags; None when the server does not say."""
        try:
            running = await host.server.get("/api/ps", _Tags, about=self.name)
        except InferenceError:
            return None
        return frozenset(_tagged(resident.name) for resident in running.models or [])


def chat_body(request: PromptRequest) -> bytes:
    """The JSON of POST /api/chat."""
    window = request.context_window or WINDOW_CAP
    wanted = request.options.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    options: dict[str, Any] = {
        # Always sent: any change of num_ctx reloads the model, and it waits for every running answer first.
        "num_ctx": window,
        # Always bounded: absent, negative and even zero mean ten windows of text.
        "num_predict": max(1, min(wanted, window)),
    }
    chosen = request.options
    for name in ("temperature", "top_p", "seed"):
        value = getattr(chosen, name)
        if value is not None:
            options[name] = value
    if chosen.stop:
        options["stop"] = chosen.stop
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [message if message.is_plain else _turn(message) for message in request.messages],
        "stream": True,
        # By default old turns vanish from too long a prompt, and nobody is told. These two make it an error.
        "truncate": False,
        "shift": False,
        "options": options,
    }
    if chosen.thinking is False:
        # Every model takes it. True is refused by those that cannot think, so it is left to the model's default.
        body["think"] = False
    if chosen.json_schema is not None:
        body["format"] = chosen.json_schema or "json"
    if chosen.keep_alive is not None:
        body["keep_alive"] = chosen.keep_alive
    if request.tools:
        body["tools"] = [{"type": "function", "function": tool} for tool in request.tools]
    return msgspec.json.encode(body)


def _turn(message: PromptMessage) -> dict[str, Any]:
    """A turn that is more than words. Arguments travel as an object here, not as text; pictures as bare base64."""
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images:
        turn["images"] = [image.data for image in message.images]  # msgspec writes bytes as base64
    if message.tool_calls:
        turn["tool_calls"] = [
            {"id": call.id, "function": {"name": call.name, "arguments": arguments_of(call)}}
            for call in message.tool_calls
        ]
    if message.role == "tool":
        turn |= {"tool_call_id": message.tool_call_id, "tool_name": message.tool_name}
    return turn


class _Details(msgspec.Struct):
    context_length: int | None = None


class _Tag(msgspec.Struct):
    name: str
    digest: str = ""
    details: _Details | None = None
    capabilities: list[str] | None = None


class _Tags(msgspec.Struct):
    models: list[_Tag] | None = None


class _Embedded(msgspec.Struct):
    embeddings: list[list[float]] = []
    prompt_eval_count: int | None = None


class _Shown(msgspec.Struct):
    model_info: dict[str, Any] = {}


def _tagged(name: str) -> str:
    """As Ollama compares names: any case, and "latest" when there is no tag."""
    folded = name.casefold()
    return folded if ":" in folded.rpartition("/")[2] else f"{folded}:latest"
