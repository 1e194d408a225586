"""OpenAI's answers as bytes: a whole `chat.completion`, and the events of a `chat.completion.chunk` stream. Pure.

The format is https://platform.openai.com/docs/api-reference/chat-streaming. What a model thinks before it answers
travels in `reasoning_content`, as from DeepSeek, vLLM and llama.cpp: OpenAI itself does not show it.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from chat.context import tokens_of
from chat.openai_errors import error_body
from eloquent.foundation.errors import EloquentError
from inference.catalog import OfferedModel
from inference.tokens import estimated_tokens
from inference.types import FinishReason, PromptMessage, Usage

DONE: Final = b"data: [DONE]\n\n"
STILL_ALIVE: Final = b": keep-alive\n\n"

# Tools are never offered to the model, so it has none to call.
_REASONS: Final = {FinishReason.LENGTH: "length", FinishReason.CONTENT_FILTER: "content_filter"}
# Line ends to `str.splitlines`, with which some clients take a stream apart, and not to the format.
_FALSE_LINE_ENDS: Final = [(end.encode(), b"\\u%04x" % ord(end)) for end in "\x85\u2028\u2029"]


def usage_out(usage: Usage, messages: Sequence[PromptMessage], answer: str) -> dict[str, int]:
    """The tokens as OpenAI counts them; a number that the model's server does not tell is estimated."""
    prompt = usage.input_tokens
    if prompt is None:
        prompt = tokens_of(messages)
    written = estimated_tokens(answer) if usage.output_tokens is None else usage.output_tokens
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}


def finish_reason_out(reason: FinishReason) -> str:
    """OpenAI's word for why the model stopped."""
    return _REASONS.get(reason, "stop")


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
    reason: FinishReason,
    usage: dict[str, int],
) -> dict[str, Any]:
    """A whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if reasoning:
        message["reasoning_content"] = reasoning
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason_out(reason)}
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
    """Writes the events of one stream, in this order: `opening`, any number of `delta`s, `ending`, `DONE`.

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

    def ending(self, reason: FinishReason, usage: dict[str, int]) -> bytes:
        """Why the answer is over, and the usage when it was asked for."""
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish_reason_out(reason)}
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
