"""How one talks to Anthropic: what is asked, and the events of a stream.

The format is at https://docs.anthropic.com/en/docs/build-with-claude/streaming: each event names its type in its
JSON, so the `event:` lines are passed over, and types that are not known are too.
"""

import base64
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from inference.providers.anthropic_models import Ways
from inference.providers.lines import LineDecoder, arguments_of, flush, think
from inference.providers.refusals import refusal, unreadable
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
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}
_STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}
"""An error inside a stream has a type and no status: https://docs.anthropic.com/en/api/errors."""


LEAST_THOUGHT_TOKENS: Final = 1024
"""The smallest budget for thoughts that the API takes; it is part of `max_tokens`."""


class _OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    thinking: str = ""
    input: dict[str, Any] | None = None


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Message(msgspec.Struct, gc=False):
    usage: _Usage | None = None


class _Event(msgspec.Struct, gc=False):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


_EVENTS: Final = msgspec.json.Decoder(_Event)


class AnthropicDecoder(LineDecoder):
    """The events of one stream, which is complete with `message_stop` and nothing else."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self._reason = FinishReason.OTHER
        self._usage = _Usage()
        self._calls: dict[int, ToolCall] = {}

    def _events_of(self, data: bytes, *, whole: bool) -> Sequence[Event]:
        events: list[Event] = []
        texts: list[str] = []
        for line in data.split(b"\n"):
            if line[:5] == b"data:":
                payload = line[5:]
            elif line[:1] == b"{":
                payload = line  # a whole JSON body in place of a stream: an error
            else:
                continue
            try:
                told = _EVENTS.decode(payload)
            except ValueError as error:
                if whole:
                    self.failure = unreadable(self.model, payload, error)
                break
            self._take(told, events, texts)
            if self.is_over:
                break
        flush(events, texts)
        if self.finished is not None:
            events += self._calls.values()
        return events

    def _take(self, told: _Event, events: list[Event], texts: list[str]) -> None:
        match told.type:
            case "content_block_delta" if told.delta is not None:
                self._add(told.index, told.delta, events, texts)
            case "content_block_start" if told.content_block is not None:
                self._begin(told.index, told.content_block, events, texts)
            case "message_start" if told.message is not None:
                self._count(told.message.usage)
            case "message_delta":
                self._count(told.usage)
                if told.delta is not None and told.delta.stop_reason:
                    self._reason = _REASONS.get(told.delta.stop_reason, FinishReason.OTHER)
            case "message_stop":
                self.finished = Finished(self._reason, self._told())
            case "error":
                kind = told.error.get("type") if isinstance(told.error, dict) else None
                words = msgspec.json.encode({"error": told.error})
                self.failure = refusal(self.model, _STATUSES.get(str(kind), 500), words)

    def _begin(self, index: int, block: _Block, events: list[Event], texts: list[str]) -> None:
        if block.type == "tool_use":
            # The arguments follow in pieces; the object here is empty, unless a server in between sends it whole.
            written = msgspec.json.encode(block.input).decode() if block.input else ""
            self._calls[index] = ToolCall(block.id, block.name, written)
        if block.thinking:
            flush(events, texts)
            think(events, block.thinking)
        if block.text:
            texts.append(block.text)

    def _add(self, index: int, delta: _Delta, events: list[Event], texts: list[str]) -> None:
        if delta.text:
            texts.append(delta.text)
        elif delta.thinking:
            flush(events, texts)
            think(events, delta.thinking)
        elif delta.partial_json and index in self._calls:
            call = self._calls[index]
            self._calls[index] = ToolCall(call.id, call.name, call.arguments + delta.partial_json)

    def _count(self, told: _Usage | None) -> None:
        """Counts are totals, and a later event may leave out what an earlier one said."""
        for name in _Usage.__struct_fields__ if told is not None else ():
            value = getattr(told, name)
            if value is not None:
                setattr(self._usage, name, value)

    def _told(self) -> Usage:
        """`input_tokens` leaves out what was read from the cache or written to it, so both are added."""
        told = self._usage
        reported = told.input_tokens is not None and told.output_tokens is not None
        whole = None
        if told.input_tokens is not None:
            whole = told.input_tokens + (told.cache_read_input_tokens or 0) + (told.cache_creation_input_tokens or 0)
        thought = told.output_tokens_details.thinking_tokens if told.output_tokens_details else None
        return Usage(whole, told.output_tokens, reported, told.cache_read_input_tokens, thought)


def message_fields(request: PromptRequest, ways: Ways) -> dict[str, Any]:
    """The fields of POST /v1/messages. There is no `seed`."""
    chosen = request.options
    wanted = chosen.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    limit = max(1, min(wanted, request.context_window or wanted))
    system = [message.content for message in request.messages if message.role == "system" and message.content]
    fields: dict[str, Any] = {"model": request.model, "max_tokens": limit, "stream": True, "messages": _turns(request)}
    if chosen.json_schema:
        fields["output_config"] = {"format": {"type": "json_schema", "schema": chosen.json_schema}}
    elif chosen.json_schema is not None:
        system.append("Answer with one JSON object and nothing else.")  # the API knows no JSON without a schema
    if system:
        fields["system"] = "\n\n".join(system)
    if chosen.stop:
        fields["stop_sequences"] = list(chosen.stop)
    if request.tools:
        fields["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
    _choose_thoughts(fields, request, ways)
    return fields


def _choose_thoughts(fields: dict[str, Any], request: PromptRequest, ways: Ways) -> None:
    chosen, limit = request.options, fields["max_tokens"]
    # After a tool's result the API wants the signed thoughts before the call, which we do not keep.
    thinks = ways.thinking if chosen.thinking and request.messages[-1].role != "tool" else None
    if thinks == "adaptive":
        fields["thinking"] = {"type": thinks}
        return
    if thinks == "enabled" and limit > LEAST_THOUGHT_TOKENS:
        fields["thinking"] = {"type": thinks, "budget_tokens": max(LEAST_THOUGHT_TOKENS, limit // 2)}
        return  # it refuses a temperature beside thoughts
    if chosen.thinking is False and ways.not_thinking:
        fields["thinking"] = {"type": ways.not_thinking}
    # These fields have no argument of the SDK any more.
    if ways.samples and chosen.temperature is not None:
        fields["extra_body"] = {"temperature": min(chosen.temperature, 1.0)}
    elif ways.samples and chosen.top_p is not None:
        fields["extra_body"] = {"top_p": chosen.top_p}


def _turns(request: PromptRequest) -> list[dict[str, Any]]:
    """The turns without the system's. Results of one turn's calls belong into one turn of the user."""
    turns: list[dict[str, Any]] = []
    for message in request.messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: PromptMessage) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}]
    # An empty text is refused.
    texts = [{"type": "text", "text": message.content}] if message.content else []
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)}
        for call in message.tool_calls
    ]
    return [*(_picture(image) for image in message.images), *texts, *calls]


def _picture(image: Image) -> dict[str, Any]:
    data = base64.b64encode(image.data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": data}}
