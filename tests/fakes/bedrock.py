"""Bedrock's side of a conversation: messages of AWS's event stream as bytes, written from the format's description.

A message is one entry of an object: `{"contentBlockDelta": {...}}` is an event, `{"throttlingException": {...}}` an
exception inside the stream. `test_bedrock.py` holds these bytes against the reader in AWS's own package.
"""

import json
import struct
from typing import Any
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
TEXT = 7
"""The number of a header's value that is text."""


def text_header(name: str, value: str) -> bytes:
    told = value.encode()
    return bytes([len(name)]) + name.encode() + bytes([TEXT]) + struct.pack(">H", len(told)) + told


def framed(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def message(told: dict[str, Any]) -> bytes:
    ((name, payload),) = told.items()
    kind = "exception" if name.endswith("Exception") else "event"
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return framed(
        b"".join(text_header(*header) for header in headers.items()), json.dumps(payload, ensure_ascii=False).encode()
    )


def stream(*told: dict[str, Any]) -> bytes:
    return b"".join(map(message, told))


def text(piece: str, *, index: int = 0) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"text": piece}, "p": "abcdefgh"}}


def thought(piece: str, *, index: int = 0) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"reasoningContent": {"text": piece}}}}


def tool(name: str, call_id: str, *pieces: str, index: int = 0) -> list[dict[str, Any]]:
    """A call from its beginning, without its end."""
    start = {"toolUse": {"toolUseId": call_id, "name": name}}
    return [
        {"contentBlockStart": {"contentBlockIndex": index, "start": start}},
        *(
            {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}}
            for piece in pieces
        ),
    ]


def block_end(index: int = 0) -> dict[str, Any]:
    return {"contentBlockStop": {"contentBlockIndex": index}}


def stopped(reason: str) -> dict[str, Any]:
    return {"messageStop": {"stopReason": reason}}


def usage(input_tokens: int, output_tokens: int, **more: int) -> dict[str, Any]:
    counted = {"inputTokens": input_tokens, "outputTokens": output_tokens, "totalTokens": input_tokens + output_tokens}
    return {"metadata": {"usage": counted | more, "metrics": {"latencyMs": 731}}}
