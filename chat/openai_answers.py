"""OpenAI's answers as bytes: a whole `chat.completion`, and the events of a `chat.completion.chunk` stream. Pure.

The format is https://platform.openai.com/docs/api-reference/chat-streaming. What a model thinks before it answers
travels in `reasoning_content`, as from DeepSeek, vLLM and llama.cpp: OpenAI itself does not show it.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from chat.openai_errors import error_body
from eloquent.foundation.errors import EloquentError
from inference.billing.bill import prompt_tokens
from inference.offers import OfferedModel
from inference.tokens import estimated_tokens
from inference.types import FinishReason, PromptRequest, ToolCall, Usage

DONE: Final = b"data: [DONE]\n\n"
STILL_ALIVE: Final = b": keep-alive\n\n"

_REASONS: Final = {FinishReason.LENGTH: "length", FinishReason.CONTENT_FILTER: "content_filter"}
# Line ends to `str.splitlines`, with which some clients take a stream apart, and not to the format.
_FALSE_LINE_ENDS: Final = [(end.encode(), b"\\u%04x" % ord(end)) for end in "\x85\u2028\u2029"]


def usage_out(usage: Usage, request: PromptRequest, answer: str) -> dict[str, Any]:
    """The tokens as OpenAI counts them; a number that the model's server does not tell is estimated.

    Of how many were cached, or thoughts, nothing is said when the server does not say it.
    """
    prompt = prompt_tokens(request) if usage.input_tokens is None else usage.input_tokens
    written = estimated_tokens(answer) if usage.output_tokens is None else usage.output_tokens
    told: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    if usage.cached_input_tokens is not None:
        told["prompt_tokens_details"] = {"cached_tokens": usage.cached_input_tokens}
    if usage.reasoning_tokens is not None:
        told["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return told


def finish_reason_out(reason: FinishReason, *, called: bool) -> str:
    """OpenAI's word for why the model stopped; `called` says whether it asks for tools."""
    return _REASONS.get(reason, "tool_calls" if called else "stop")


def call_out(call: ToolCall) -> dict[str, Any]:
    """One of `tool_calls`."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def models_out(models: Sequence[OfferedModel]) -> dict[str, Any]:
    """The list of models."""
    return {"object": "list", "data": [model_out(model) for model in models]}


def model_out(model: OfferedModel) -> dict[str, Any]:
    """A model. When it was made is not known to us, and OpenAI's clients need a number."""
    return {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": model.provider,
        "context_window": model.context_window,
    }


def completion_out(
    answer_id: str,
    *,
    created_s: int,
    model: str,
    text: str,
    reasoning: str,
    calls: Sequence[ToolCall] = (),
    reason: FinishReason,
    usage: dict[str, Any],
) -> dict[str, Any]:
    """A whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if reasoning:
        message["reasoning_content"] = reasoning
    if calls:
        message |= {"content": text or None, "tool_calls": [call_out(call) for call in calls]}
    finish_reason = finish_reason_out(reason, called=bool(calls))
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": answer_id,
        "object": "chat.completion",
        "created": created_s,
        "model": model,
        "choices": [choice],
        "usage": usage,
        "system_fingerprint": None,
    }


class ChunkWriter:
    """Writes the events of one stream, in this order: `opening`, any number of `delta`s and `call`s, `ending`, `DONE`.

    Everything that is the same in all events is made once: what is left for a delta is its own text.
    """

    def __init__(self, answer_id: str, *, created_s: int, model: str, with_usage: bool) -> None:
        frame = {
            "id": answer_id,
            "object": "chat.completion.chunk",
            "created": created_s,
            "model": model,
            "system_fingerprint": None,
        }
        self._head = b"data: " + _json(frame)[:-1] + b',"choices":'
        self._with_usage = with_usage
        self._calls = 0
        # Asked for usage, every event has the member, null but in the last.
        self._tail = b',"usage":null}\n\n' if with_usage else b"}\n\n"
        self._before = self._head + b'[{"index":0,"delta":{"'
        self._after = b'},"logprobs":null,"finish_reason":null}]' + self._tail

    def opening(self) -> bytes:
        """The first event: whose words these are."""
        return self._before + b'role":"assistant","content":"","refusal":null' + self._after

    def delta(self, text: str, *, reasoning: bool = False) -> bytes:
        """A piece of the answer, or of what the model thinks before it."""
        name = b'reasoning_content":' if reasoning else b'content":'
        return self._before + name + _json(text) + self._after

    def call(self, call: ToolCall) -> bytes:
        """A call of a tool, whole: OpenAI sends it in pieces, which clients put together by its `index`."""
        piece = {"index": self._calls} | call_out(call)
        self._calls += 1
        return self._before + b'tool_calls":' + _json([piece]) + self._after

    def ending(self, reason: FinishReason, usage: dict[str, Any]) -> bytes:
        """Why the answer is over, and the usage when it was asked for."""
        finish_reason = finish_reason_out(reason, called=self._calls > 0)
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish_reason}
        ending = self._head + _json([choice]) + self._tail
        return ending + self._head + b'[],"usage":' + _json(usage) + b"}\n\n" if self._with_usage else ending


def failure(error: EloquentError) -> bytes:
    """The event of an answer that fails after it has begun; nothing follows it."""
    return b"data: " + _json(error_body(error)) + b"\n\n"


def _json(value: Any) -> bytes:
    written = orjson.dumps(value)
    for line_end, escaped in _FALSE_LINE_ENDS:
        if line_end in written:
            written = written.replace(line_end, escaped)
    return written
