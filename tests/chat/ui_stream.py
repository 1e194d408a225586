"""A strict reader of the AI SDK's UI message stream, as its version 5.0.100 reads it: what it refuses, they refuse.

But for `reset-step`, which version 7 brought (`version` 6 refuses it), and approvals, which version 6 brought.

Source of the rules: npm `ai` (src/ui-message-stream/ui-message-chunks.ts, src/ui/process-ui-message-stream.ts).
"""

from typing import Any

import orjson

from chat.stream_schemas import UI_MESSAGE_CHUNK

_FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "start": (set(), {"messageId", "messageMetadata"}),
    "start-step": (set(), set()),
    "finish-step": (set(), set()),
    "reset-step": (set(), set()),
    "message-metadata": ({"messageMetadata"}, set()),
    "text-start": ({"id"}, {"providerMetadata"}),
    "text-delta": ({"id", "delta"}, {"providerMetadata"}),
    "text-end": ({"id"}, {"providerMetadata"}),
    "reasoning-start": ({"id"}, {"providerMetadata"}),
    "reasoning-delta": ({"id", "delta"}, {"providerMetadata"}),
    "reasoning-end": ({"id"}, {"providerMetadata"}),
    "tool-input-available": ({"toolCallId", "toolName", "input"}, {"providerExecuted", "dynamic"}),
    "tool-output-available": ({"toolCallId", "output"}, {"providerExecuted", "dynamic", "preliminary"}),
    "tool-output-error": ({"toolCallId", "errorText"}, {"providerExecuted", "dynamic"}),
    "tool-approval-request": ({"approvalId", "toolCallId"}, set()),
    "tool-output-denied": ({"toolCallId"}, set()),
    "error": ({"errorText"}, set()),
    "abort": (set(), set()),
    "finish": (set(), {"finishReason", "messageMetadata"}),
}
_FINISH_REASONS = {"stop", "length", "content-filter", "tool-calls", "error", "other"}
LAST = {"finish", "abort", "error"}


class UIStream:
    """Feed it chunks; it asserts that a strict client would take them, and builds the message as that client would."""

    def __init__(self, version: int = 7, *, before: "UIStream | None" = None) -> None:
        """`before` is what the client has of an answer that goes on."""
        self.version = version
        self.message_id = before.message_id if before else None
        self.metadata: dict[str, Any] = dict(before.metadata) if before else {}
        self.parts: list[dict[str, Any]] = [dict(part) for part in before.parts] if before else []
        self.data: list[dict[str, Any]] = []
        self.last: dict[str, Any] | None = None
        self.deltas = 0
        self._open: dict[tuple[str, str], dict[str, Any]] = {}
        self._step_is_over = before is not None

    @property
    def text(self) -> str:
        """The text so far, without reasoning."""
        return "".join(part["text"] for part in self.parts if part["type"] == "text")

    def feed(self, raw: bytes | str | dict[str, Any]) -> None:
        """Take one chunk."""
        chunk = raw if isinstance(raw, dict) else orjson.loads(raw)
        UI_MESSAGE_CHUNK.validate_python(chunk)  # it is as the OpenAPI document says
        kind = chunk["type"]
        assert self.last is None, f"{kind} after the end"
        assert (kind == "start") == (self.message_id is None), "start is the first chunk, and only that"
        assert None not in chunk.values(), f"null where a field should be absent: {chunk}"
        if kind.startswith("data-"):
            assert chunk.keys() <= {"type", "id", "data", "transient"}
            self.data.append(chunk)
            if not chunk.get("transient"):
                self.parts.append({"type": kind, "data": chunk["data"]})
            return
        required, optional = _FIELDS[kind]
        assert required <= chunk.keys() - {"type"} <= required | optional, f"fields of {chunk}"
        part_kind, _, step = kind.partition("-")
        if part_kind in ("text", "reasoning"):
            self._part(part_kind, step, chunk)
        elif kind == "start":
            self.message_id = chunk["messageId"]
        elif kind == "reset-step":
            assert self.version >= 7
            assert not self._open
            begun = [number for number, part in enumerate(self.parts) if part["type"] == "step-start"]
            del self.parts[begun[-1] + 1 if begun else 0 :]
        elif kind == "start-step" and self._step_is_over:
            self.parts.append({"type": "step-start"})
        elif kind.startswith("tool-"):
            self._tool(chunk)
        self._step_is_over = kind == "finish-step"
        self.metadata |= chunk.get("messageMetadata", {})
        if kind in LAST:
            assert kind != "finish" or chunk["finishReason"] in _FINISH_REASONS
            assert not self._open, "a part is left open"
            self.last = chunk

    def _tool(self, chunk: dict[str, Any]) -> None:
        if chunk["type"] == "tool-input-available":
            self.parts.append(dict(chunk))
            return
        # A client fails over the output of a call that it has not been told of.
        called = [part for part in self.parts if part.get("toolCallId") == chunk["toolCallId"]]
        assert called, "an output without its call"
        called[-1] |= {name: chunk[name] for name in ("output", "errorText", "approvalId") if name in chunk}
        if chunk["type"] == "tool-output-denied":
            called[-1]["denied"] = True

    def _part(self, kind: str, step: str, chunk: dict[str, Any]) -> None:
        key = (kind, chunk["id"])
        if step == "start":
            assert key not in self._open
            self._open[key] = {"type": kind, "text": ""}
            self.parts.append(self._open[key])
        elif step == "delta":
            self._open[key]["text"] += chunk["delta"]
            self.deltas += 1
        else:
            del self._open[key]


def read(chunks: list[bytes]) -> UIStream:
    """The whole stream, read."""
    stream = UIStream()
    for chunk in chunks:
        stream.feed(chunk)
    return stream
