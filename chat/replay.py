"""A saved answer as the chunks of its stream, for a reader whom the run's log cannot serve. Pure."""

from typing import Any

from chat import chunks
from chat.assembly import open_part_of
from chat.chunks import Chunk
from chat.types import Message, MessageStatus


def replay_of(message: Message) -> list[Chunk]:
    """An answer at rest, from its start to its end."""
    replay = _beginning(message, open_part=None)
    replay.append(chunks.FINISH_STEP)
    if message.status is MessageStatus.STOPPED:
        replay.append(chunks.ABORT)
    elif message.status in (MessageStatus.FAILED, MessageStatus.INTERRUPTED):
        replay.append(chunks.error((message.error or {}).get("detail", "The answer was not finished.")))
    else:
        replay.append(chunks.finish((message.usage or {}).get("finishReason", "stop"), {"usage": message.usage or {}}))
    return replay


def replay_through(message: Message) -> list[Chunk]:
    """An answer in the making, up to what was saved; its last part stays open for what the log has next.

    It has just as many chunks as the log had, `message.position`: positions mean the same before and behind it.
    """
    replay = _beginning(message, open_part=open_part_of(message.parts))
    return [*replay[:2], *[chunks.NOTHING] * (message.position - len(replay)), *replay[2:]]


def chunks_of(message: Message) -> int:
    """How many chunks it takes to say what is saved of an answer that is not at its end."""
    return len(_beginning(message, open_part=None))


def _beginning(message: Message, *, open_part: str | None) -> list[Chunk]:
    metadata: dict[str, Any] = {"runId": str(message.run_id), "model": message.model}
    replay = [chunks.start(message.id, metadata)]
    if message.context:
        replay.append(chunks.context(message.context))
    replay.append(chunks.START_STEP)
    for number, part in enumerate(message.parts):
        kind = part["type"]
        if kind in ("text", "reasoning"):
            part_id = f"{kind}-{number}"
            replay += [chunks.part_start(kind, part_id), chunks.part_delta(kind, part_id, part["text"])]
            if part_id != open_part:
                replay.append(chunks.part_end(kind, part_id))
        elif kind == "dynamic-tool":
            replay += _tool(part)
        elif kind == "step-start":
            replay += [chunks.FINISH_STEP, chunks.START_STEP]
        elif kind == "data-notice":
            replay.append(chunks.data("notice", part["data"], transient=False))
    return replay


def _tool(part: dict[str, Any]) -> list[Chunk]:
    call_id, state = part["toolCallId"], part["state"]
    replay = [chunks.tool_input(call_id, part["toolName"], part["input"])]
    # A call that is being made, because the user agreed, is shown as one: nobody is asked about it again.
    if "approval" in part and state != "approval-responded":
        replay.append(chunks.tool_approval(part["approval"]["id"], call_id))
    if state == "output-available":
        replay.append(chunks.tool_output(call_id, part["output"]))
    elif state == "output-error":
        replay.append(chunks.tool_error(call_id, part["errorText"]))
    elif state == "output-denied":
        replay.append(chunks.tool_denied(call_id))
    return replay
