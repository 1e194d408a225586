"""A canned answer in the words of each provider's wire: what its server writes, piece by piece, HTTP's frame and all.

The shapes are those of the recorded answers in tests/inference/fixtures. Each token is a piece of its own; the first
has the headers with it, as from every server that says nothing before it knows what to say.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.fakes import bedrock

INPUT_TOKENS = 11
LAST_CHUNK = b"0\r\n\r\n"


def pieces_of(kind: str, tokens: Sequence[str]) -> list[bytes]:
    """One entry for each token, and one for the end of the answer with its numbers."""
    opening, piece, ending = _WIRES[kind]
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPES[kind]}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    written = [_chunk(piece(token)) for token in tokens]
    before = _chunk(opening) if opening else b""
    written[0] = head + before + written[0]
    return [*written, _chunk(ending(len(tokens))) + LAST_CHUNK]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _json(told: dict[str, Any]) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _ollama(content: str, **rest: Any) -> bytes:
    message = {"role": "assistant", "content": content}
    told = {"model": "m", "created_at": "2026-11-22T23:57:57.445577116Z", "message": message, "done": False}
    return _json(told | rest) + b"\n"


def _ollama_end(count: int) -> bytes:
    numbers = {"total_duration": 110408279, "load_duration": 893086, "eval_duration": 43251000}
    numbers |= {"prompt_eval_count": INPUT_TOKENS, "eval_count": count}
    return _ollama("", done=True, done_reason="stop", **numbers)


def _sse(told: dict[str, Any], event: str = "") -> bytes:
    named = f"event: {event}\n".encode() if event else b""
    return named + b"data: " + _json(told) + b"\n\n"


def _chat(delta: dict[str, Any], **rest: Any) -> dict[str, Any]:
    told = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795392190, "model": "m"}
    return told | {"choices": [{"index": 0, "delta": delta, "finish_reason": None} | rest]}


def _chat_end(count: int) -> bytes:
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": count, "total_tokens": INPUT_TOKENS + count}
    counted = _chat({}) | {"choices": [], "usage": usage}
    return _sse(_chat({}, finish_reason="stop")) + _sse(counted) + b"data: [DONE]\n\n"


def _anthropic(kind: str, **rest: Any) -> bytes:
    return _sse({"type": kind, **rest}, event=kind)


def _anthropic_start() -> bytes:
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": usage}
    block = {"type": "text", "text": ""}
    return _anthropic("message_start", message=message) + _anthropic(
        "content_block_start", index=0, content_block=block
    )


def _anthropic_end(count: int) -> bytes:
    ended = _anthropic("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": count})
    return _anthropic("content_block_stop", index=0) + ended + _anthropic("message_stop")


def _bedrock_end(count: int) -> bytes:
    return bedrock.stream(bedrock.block_end(), bedrock.stopped("end_turn"), bedrock.usage(INPUT_TOKENS, count))


_Wire = tuple[bytes, Callable[[str], bytes], Callable[[int], bytes]]
_CHAT: _Wire = (b"", lambda token: _sse(_chat({"content": token})), _chat_end)
_WIRES: dict[str, _Wire] = {
    "ollama": (b"", _ollama, _ollama_end),
    "llamacpp": (_sse(_chat({"role": "assistant", "content": None})), *_CHAT[1:]),
    "openai-compatible": _CHAT,
    "openai": _CHAT,
    "anthropic": (
        _anthropic_start(),
        lambda token: _anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": token}),
        _anthropic_end,
    ),
    "bedrock": (
        bedrock.stream({"messageStart": {"role": "assistant"}}),
        lambda token: bedrock.stream(bedrock.text(token)),
        _bedrock_end,
    ),
}
KINDS = tuple(_WIRES)
CONTENT_TYPES = dict.fromkeys(KINDS, "text/event-stream") | {
    "ollama": "application/x-ndjson",
    "bedrock": bedrock.CONTENT_TYPE,
}
