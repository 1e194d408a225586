"""The chunks of the AI SDK's UI message stream, as JSON bytes. Pure.

Only types and fields that every version from 5.0.100 on accepts are made here (profile 6), but for `RESET_STEP` and
what tells of approvals: an unknown type fails a client's whole stream, and so does a null where a field should be
absent. What is our own travels as `data-*` parts or message metadata.
The format: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
"""

from typing import Any

import orjson

from eloquent.foundation.ids import MessageId

Chunk = bytes

# Changes nothing in the message that a client builds.
NOTHING: Chunk = b'{"type":"message-metadata","messageMetadata":{}}'
START_STEP: Chunk = b'{"type":"start-step"}'
FINISH_STEP: Chunk = b'{"type":"finish-step"}'
# What was written since the step began is void. Only version 7 knows it; `chat.profiles` has what others get.
RESET_STEP: Chunk = b'{"type":"reset-step"}'
ABORT: Chunk = b'{"type":"abort"}'


def start(message_id: MessageId, metadata: dict[str, Any]) -> Chunk:
    """The first chunk. The same `message_id` in a replay lets a client replace its half-built message."""
    return orjson.dumps({"type": "start", "messageId": str(message_id), "messageMetadata": metadata})


def part_start(kind: str, part_id: str) -> Chunk:
    """A text or reasoning part opens. `kind` is `text` or `reasoning`."""
    return b'{"type":"%b-start","id":"%b"}' % (kind.encode(), part_id.encode())


def part_delta(kind: str, part_id: str, text: str) -> Chunk:
    """More of an open part."""
    return b'{"type":"%b-delta","id":"%b","delta":%b}' % (kind.encode(), part_id.encode(), orjson.dumps(text))


def part_end(kind: str, part_id: str) -> Chunk:
    """A part closes."""
    return b'{"type":"%b-end","id":"%b"}' % (kind.encode(), part_id.encode())


def tool_input(call_id: str, tool_name: str, arguments: Any) -> Chunk:
    """A whole tool call of the language model."""
    return orjson.dumps(
        {
            "type": "tool-input-available",
            "toolCallId": call_id,
            "toolName": tool_name,
            "input": arguments,
            "dynamic": True,
        }
    )


def tool_output(call_id: str, output: Any) -> Chunk:
    """What a tool said."""
    return orjson.dumps({"type": "tool-output-available", "toolCallId": call_id, "output": output, "dynamic": True})


def tool_error(call_id: str, sentence: str) -> Chunk:
    """A tool could not do what it was asked."""
    return orjson.dumps({"type": "tool-output-error", "toolCallId": call_id, "errorText": sentence, "dynamic": True})


def tool_denied(call_id: str) -> Chunk:
    """The user did not agree to a call: it was not made."""
    return b'{"type":"tool-output-denied","toolCallId":%b}' % orjson.dumps(call_id)


def tool_approval(approval_id: str, call_id: str) -> Chunk:
    """A call waits for the user's agreement. Known from version 6 on; `chat.profiles` has what others get."""
    return orjson.dumps({"type": "tool-approval-request", "approvalId": approval_id, "toolCallId": call_id})


def metadata(known: dict[str, Any]) -> Chunk:
    """More metadata of the message that is being written."""
    return orjson.dumps({"type": "message-metadata", "messageMetadata": known})


def data(name: str, value: dict[str, Any], *, transient: bool) -> Chunk:
    """A `data-*` part of our own. A transient one reaches the reader and is not kept in the message."""
    chunk: dict[str, Any] = {"type": f"data-{name}", "data": value}
    if transient:
        chunk["transient"] = True
    return orjson.dumps(chunk)


def context(told: dict[str, Any]) -> Chunk:
    """How much of its window the language model is shown, and what was left out (`chat.context.Prompt.told`)."""
    return data("context", told, transient=True)


def notice(code: str, sentence: str) -> Chunk:
    """Something that the reader should know now and that is no failure. The sentence is for the user."""
    return data("notice", {"code": code, "detail": sentence}, transient=True)


def error(sentence: str) -> Chunk:
    """The answer failed. The sentence is for the user."""
    return orjson.dumps({"type": "error", "errorText": sentence})


def failed(sentence: str) -> list[Chunk]:
    """The end of an answer that failed, in the middle of a step."""
    return [FINISH_STEP, error(sentence)]


def finish(reason: str, metadata: dict[str, Any]) -> Chunk:
    """The end of a whole answer, with usage as metadata."""
    return orjson.dumps({"type": "finish", "finishReason": reason, "messageMetadata": metadata})
