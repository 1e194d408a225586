"""How one talks to an OpenAI-compatible server: POST /chat/completions, answered as server-sent events.

The format is OpenAI's (https://platform.openai.com/docs/api-reference/chat-streaming); what other servers do
differently stands beside the line that copes with it.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from inference.errors import AnswerCutOff, InferenceError
from inference.providers.refusals import failure_in_stream, unreadable
from inference.types import Event, FinishReason, Finished, PromptRequest, ReasoningDelta, TextDelta, ToolCall, Usage

DEFAULT_OUTPUT_TOKENS: Final = 2048
LINE_LIMIT_BYTES: Final = 4 * 1024 * 1024

_REASONS: Final = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
}


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct, gc=False):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None  # llama.cpp, vLLM, DeepSeek
    reasoning: str | None = None  # Ollama, OpenRouter
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    # Errors without an "error" member: older vLLM writes {"object": "error", "message", "code"}, others {"detail"}.
    object: str | None = None
    message: Any = None
    detail: Any = None
    code: Any = None


_CHUNKS: Final = msgspec.json.Decoder(_Chunk)


class OpenAIDecoder:
    """The events of one stream.

    Complete means `[DONE]`, or the end of the body after a finish reason (some servers leave `[DONE]` out).
    Usage comes after the finish reason, in a chunk of its own, so `finished` is not set before the end.
    """

    def __init__(self, model: str) -> None:
        self.finished: Finished | None = None
        self.failure: InferenceError | None = None
        self._model = model
        self._rest = b""
        self._reason: FinishReason | None = None
        self._usage = Usage()
        self._calls: dict[int, ToolCall] = {}
        self._spoke = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """The events of one network read."""
        if self._rest:
            data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        if not end:
            if len(data) > LINE_LIMIT_BYTES:
                self.failure = unreadable(self._model, data, ValueError("a line without end"))
            return ()
        return self._events_of(data[:end])

    def end(self) -> Sequence[Event]:
        """The events of a last line without a newline, and the verdict on the whole."""
        rest, self._rest = self._rest, b""
        events = list(self._events_of(rest, cut=True)) if rest.strip() else []
        if self.finished is None and self.failure is None:
            if self._reason is None:
                self.failure = AnswerCutOff(self._model)
            else:
                events += self._completed()
        return events

    def _events_of(self, data: bytes, *, cut: bool = False) -> Sequence[Event]:
        payloads: list[bytes] = []
        done = False
        for line in data.split(b"\n"):
            if line.startswith(b"data:"):
                payload = line[5:].strip()
                if payload == b"[DONE]":
                    done = True
                    break
                payloads.append(payload)
            elif line.startswith(b"error:"):  # llama.cpp's way to report an error inside a stream, for some versions
                payloads.append(b'{"error":' + line[6:].strip() + b"}")
            elif line[:1] == b"{" and not self._spoke:
                payloads.append(line)  # a whole JSON body in place of a stream: an error, as far as we asked for one
        self._spoke = self._spoke or bool(payloads)
        events = self._folded(payloads, cut=cut)
        if done and self.failure is None:
            events += self._completed()
        return events

    def _folded(self, payloads: list[bytes], *, cut: bool) -> list[Event]:
        try:
            chunks = _CHUNKS.decode_lines(b"\n".join(payloads))
        except (msgspec.DecodeError, UnicodeDecodeError):
            chunks = []
            for payload in payloads:
                try:
                    chunks.append(_CHUNKS.decode(payload))
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    events = self._told_by(chunks)
                    # Half a line at the end of a broken connection is no fault of the format.
                    if self.failure is None and not cut:
                        self.failure = unreadable(self._model, payload, error)
                    return events
        return self._told_by(chunks)

    def _told_by(self, chunks: list[_Chunk]) -> list[Event]:
        events: list[Event] = []
        texts: list[str] = []
        for chunk in chunks:
            if not chunk.choices:
                told = _error_in(chunk)
                if told is not None:
                    self.failure = failure_in_stream(self._model, told)
                    break
            else:
                # One choice is asked for; further ones would be other answers, not more of this one.
                choice = chunk.choices[0]
                delta = choice.delta
                if delta is not None:
                    thought = delta.reasoning_content or delta.reasoning
                    if thought:
                        _flush(events, texts)
                        _think(events, thought)
                    if delta.content:
                        texts.append(delta.content)
                    if delta.refusal:
                        texts.append(delta.refusal)
                    if delta.tool_calls:
                        self._collect(delta.tool_calls)
                if choice.finish_reason:
                    if choice.finish_reason == "error":
                        self.failure = failure_in_stream(self._model, chunk.error or "finish_reason: error")
                        break
                    self._reason = _REASONS.get(choice.finish_reason, FinishReason.OTHER)
            if chunk.usage is not None:
                usage = chunk.usage
                reported = usage.prompt_tokens is not None and usage.completion_tokens is not None
                self._usage = Usage(usage.prompt_tokens, usage.completion_tokens, reported)
        _flush(events, texts)
        return events

    def _collect(self, calls: list[_Call]) -> None:
        """Tool calls come in pieces: the name first, then their arguments' text a few characters at a time."""
        for piece in calls:
            known = self._calls.get(piece.index, ToolCall("", "", ""))
            function = piece.function or _Function()
            self._calls[piece.index] = ToolCall(
                piece.id or known.id, known.name or function.name or "", known.arguments + (function.arguments or "")
            )

    def _completed(self) -> list[ToolCall]:
        calls = list(self._calls.values())
        reason = self._reason or FinishReason.OTHER
        if calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        self.finished = Finished(reason, self._usage)
        return calls


def chat_body(request: PromptRequest, *, output_limit: int | None = None) -> bytes:
    """The JSON of POST /chat/completions. `max_tokens` is always there: some servers talk until the window is full."""
    chosen = request.options
    wanted = chosen.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    limit = output_limit or request.context_window
    body: dict[str, Any] = {
        "model": request.model,
        "messages": request.messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": max(1, min(wanted, limit) if limit else wanted),
    }
    for name in ("temperature", "top_p", "seed"):
        value = getattr(chosen, name)
        if value is not None:
            body[name] = value
    if chosen.stop:
        body["stop"] = chosen.stop
    return msgspec.json.encode(body)


def _error_in(chunk: _Chunk) -> Any:
    if chunk.error is not None:
        return chunk.error
    if chunk.object == "error" or (chunk.choices is None and chunk.usage is None):
        return {"message": chunk.message or chunk.detail, "code": chunk.code}
    return None


def _flush(events: list[Event], texts: list[str]) -> None:
    if texts:
        events.append(TextDelta("".join(texts)))
        texts.clear()


def _think(events: list[Event], thought: str) -> None:
    last = events[-1] if events else None
    if isinstance(last, ReasoningDelta):
        events[-1] = ReasoningDelta(last.text + thought)
    else:
        events.append(ReasoningDelta(thought))
