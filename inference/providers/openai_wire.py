"""How one talks to an OpenAI-compatible server: POST /chat/completions, answered as server-sent events.

The format is OpenAI's (https://platform.openai.com/docs/api-reference/chat-streaming); what other servers do
differently stands beside the line that copes with it.
"""

import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from inference.errors import AnswerCutOff
from inference.providers.lines import LineDecoder, flush, think
from inference.providers.refusals import failure_in_stream, unreadable
from inference.types import (
    DEFAULT_OUTPUT_TOKENS,
    Event,
    Finished,
    FinishReason,
    Image,
    PromptMessage,
    PromptRequest,
    ToolCall,
    Usage,
)

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


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None

    def told(self) -> Usage:
        reported = self.prompt_tokens is not None and self.completion_tokens is not None
        cached = self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else None
        thought = self.completion_tokens_details.reasoning_tokens if self.completion_tokens_details else None
        return Usage(self.prompt_tokens, self.completion_tokens, reported, cached, thought)


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


class OpenAIDecoder(LineDecoder):
    """The events of one stream.

    Complete means `[DONE]`, or the end of the body after a finish reason (some servers leave `[DONE]` out).
    Usage comes after the finish reason, in a chunk of its own, so `finished` is not set before the end.
    """

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self._reason: FinishReason | None = None
        self._usage = Usage()
        self._calls: dict[int, ToolCall] = {}
        self._spoke = False
        self._refused = False

    def end(self) -> Sequence[Event]:
        """As for every format; a finish reason is as good as `[DONE]` once the body is over."""
        events = super().end()
        if self._reason is not None and isinstance(self.failure, AnswerCutOff):
            self.failure = None
            return [*events, *self._completed()]
        return events

    def _events_of(self, data: bytes, *, whole: bool) -> Sequence[Event]:
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
        events = self._folded(payloads, whole=whole)
        if done and self.failure is None:
            events += self._completed()
        return events

    def _folded(self, payloads: list[bytes], *, whole: bool) -> list[Event]:
        try:
            return self._told_by(_CHUNKS.decode_lines(b"\n".join(payloads)))
        except ValueError:
            pass
        chunks: list[_Chunk] = []
        for payload in payloads:
            try:
                chunks.append(_CHUNKS.decode(payload))
            except ValueError as error:
                events = self._told_by(chunks)
                if whole and not self.is_over:
                    self.failure = unreadable(self.model, payload, error)
                return events
        return self._told_by(chunks)

    def _told_by(self, chunks: list[_Chunk]) -> list[Event]:
        events: list[Event] = []
        texts: list[str] = []
        for chunk in chunks:
            if chunk.choices:
                # One choice is asked for; further ones would be other answers, not more of this one.
                choice = chunk.choices[0]
                if choice.delta is not None:
                    self._add(choice.delta, events, texts)
                if choice.finish_reason:
                    self._reason = _REASONS.get(choice.finish_reason, FinishReason.OTHER)
            told = _error_in(chunk)
            if told is not None:
                self.failure = failure_in_stream(self.model, told)
                break
            if chunk.usage is not None:
                self._usage = chunk.usage.told()
        flush(events, texts)
        return events

    def _add(self, delta: _Delta, events: list[Event], texts: list[str]) -> None:
        thought = delta.reasoning_content or delta.reasoning
        if thought:
            flush(events, texts)
            think(events, thought)
        text = delta.content or delta.refusal
        if text:
            texts.append(text)
        if delta.refusal:
            self._refused = True
        if delta.tool_calls:
            self._collect(delta.tool_calls)

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
        if self._refused and reason is FinishReason.STOP:
            reason = FinishReason.CONTENT_FILTER  # OpenAI's refusal ends with a mere "stop"
        self.finished = Finished(reason, self._usage)
        return calls


def chat_body(request: PromptRequest, **more: Any) -> bytes:
    """The JSON of POST /chat/completions. `max_tokens` is always there: some servers talk until the window is full.

    `more` are fields that only this server knows; others refuse what they do not know.
    """
    chosen = request.options
    wanted = chosen.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    limit = request.context_window
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [message if message.is_plain else _turn(message) for message in request.messages],
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
    if chosen.json_schema is not None:
        body["response_format"] = response_format(chosen.json_schema)
    if request.tools:
        body["tools"] = [{"type": "function", "function": tool} for tool in request.tools]
    return msgspec.json.encode(body | more)


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """How OpenAI is asked for JSON; an empty schema is any object."""
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def _turn(message: PromptMessage) -> dict[str, Any]:
    """A turn that is more than words. Pictures travel inside, as data URLs."""
    if message.role == "tool":
        return {"role": "tool", "content": message.content, "tool_call_id": message.tool_call_id}
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images:
        pictures = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in message.images]
        turn["content"] = [{"type": "text", "text": message.content}, *pictures]
    if message.tool_calls:
        turn["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return turn


def data_url(image: Image) -> str:
    """The picture as text that can stand in the place of its address."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def _error_in(chunk: _Chunk) -> Any:
    """What the chunk says went wrong, or None. A chunk with nothing of a stream's in it is taken for an error."""
    if chunk.error is not None:
        return chunk.error
    if chunk.choices:
        return "finish_reason: error" if chunk.choices[0].finish_reason == "error" else None
    if chunk.object == "error" or (chunk.choices is None and chunk.usage is None):
        return {"message": chunk.message or chunk.detail, "code": chunk.code}
    return None
