"""How one talks to Bedrock: what a Converse request holds, and what the events of its stream mean.

The format is https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html. Pure: the AWS
package signs and sends, and is not needed here.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from inference.errors import AnswerCutOff
from inference.providers.bedrock_errors import refused
from inference.providers.decoder import Decoder
from inference.providers.eventstream import Message, Messages
from inference.providers.lines import arguments_of, flush, think
from inference.providers.refusals import unreadable
from inference.types import (
    DEFAULT_OUTPUT_TOKENS,
    Event,
    Finished,
    FinishReason,
    PromptMessage,
    PromptRequest,
    Tool,
    ToolCall,
    Usage,
)

_REASONS: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
}
_TELLING: Final = frozenset({"contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"})
_STRANGE_IN_AN_ID: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_LONGEST_ID: Final = 64


class _ToolUse(msgspec.Struct, gc=False):
    toolUseId: str = ""  # noqa: N815  (the format's own names, here and below)
    name: str = ""
    input: str = ""


class _Start(msgspec.Struct, gc=False):
    toolUse: _ToolUse | None = None  # noqa: N815


class _Reasoning(msgspec.Struct, gc=False):
    text: str | None = None


class _Delta(msgspec.Struct, gc=False):
    text: str | None = None
    reasoningContent: _Reasoning | None = None  # noqa: N815
    toolUse: _ToolUse | None = None  # noqa: N815


class _Usage(msgspec.Struct, gc=False):
    inputTokens: int | None = None  # noqa: N815
    outputTokens: int | None = None  # noqa: N815
    cacheReadInputTokens: int | None = None  # noqa: N815
    cacheWriteInputTokens: int | None = None  # noqa: N815

    def told(self) -> Usage:
        whole = self.inputTokens
        if whole is not None:
            # What was read from the cache, or written to it, is not in `inputTokens`:
            # https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
            whole += (self.cacheReadInputTokens or 0) + (self.cacheWriteInputTokens or 0)
        reported = whole is not None and self.outputTokens is not None
        return Usage(whole, self.outputTokens, reported, self.cacheReadInputTokens)


class _Told(msgspec.Struct, gc=False):
    contentBlockIndex: int = 0  # noqa: N815
    start: _Start | None = None
    delta: _Delta | None = None
    stopReason: str | None = None  # noqa: N815
    usage: _Usage | None = None


class _Refusal(msgspec.Struct, gc=False):
    message: str = ""
    originalMessage: str = ""  # noqa: N815


_TOLD: Final = msgspec.json.Decoder(_Told)
_REFUSAL: Final = msgspec.json.Decoder(_Refusal)


class ConverseDecoder(Decoder):
    """The events of one stream. Complete means `messageStop`, and the usage that comes after it or the body's end."""

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self._messages = Messages()
        self._calls: dict[int, ToolCall] = {}
        self._reason: FinishReason | None = None

    def feed(self, data: bytes) -> Sequence[Event]:
        """The events of one network read, text merged; without `Finished`."""
        events: list[Event] = []
        texts: list[str] = []
        message: Message | None = None
        try:
            for message in self._messages.feed(data):
                self._take(message, events, texts)
                if self.is_over:
                    break
        except ValueError as error:
            self.failure = unreadable(self.model, message.payload if message else data, error)
        flush(events, texts)
        return events

    def end(self) -> Sequence[Event]:
        """A stop reason is enough: a stream may end before it has told the usage, and the answer is whole."""
        if self.is_over:
            return ()
        if self._reason is None:
            self.failure = AnswerCutOff(self.model)
        else:
            self.finished = Finished(self._reason, Usage())
        return ()

    def _take(self, message: Message, events: list[Event], texts: list[str]) -> None:
        headers = message.headers
        kind = headers.get(":message-type")
        if kind != "event":
            flush(events, texts)
            self._refuse(message)
            return
        event = headers.get(":event-type")
        if event not in _TELLING:
            return  # the beginning of the message, and whatever is invented next
        told = _TOLD.decode(message.payload)
        if event == "contentBlockDelta" and told.delta is not None:
            self._add(told.contentBlockIndex, told.delta, events, texts)
        elif event == "contentBlockStart":
            if told.start is not None and (use := told.start.toolUse) is not None:
                self._calls[told.contentBlockIndex] = ToolCall(use.toolUseId, use.name, "")
        elif event == "contentBlockStop":
            call = self._calls.pop(told.contentBlockIndex, None)
            if call is not None:
                flush(events, texts)
                # A tool without parameters is called without a word.
                events.append(call if call.arguments else msgspec.structs.replace(call, arguments="{}"))
        elif event == "messageStop":
            flush(events, texts)
            events += self._calls.values()  # cut short
            self._calls.clear()
            self._reason = _REASONS.get(told.stopReason or "", FinishReason.OTHER)
        elif event == "metadata" and self._reason is not None:
            self.finished = Finished(self._reason, told.usage.told() if told.usage else Usage())

    def _add(self, index: int, delta: _Delta, events: list[Event], texts: list[str]) -> None:
        if delta.text:
            texts.append(delta.text)
        if delta.reasoningContent is not None and delta.reasoningContent.text:
            flush(events, texts)
            think(events, delta.reasoningContent.text)
        if delta.toolUse is not None:
            call = self._calls.get(index, ToolCall("", "", ""))
            self._calls[index] = msgspec.structs.replace(call, arguments=call.arguments + delta.toolUse.input)

    def _refuse(self, message: Message) -> None:
        headers = message.headers
        code = headers.get(":exception-type") or headers.get(":error-code") or ""
        words = headers.get(":error-message", "")
        if not words:
            try:
                told = _REFUSAL.decode(message.payload)
                words = told.originalMessage or told.message
            except ValueError:
                words = message.payload.decode(errors="replace")
        self.failure = refused(self.model, code, words)


def converse_arguments(request: PromptRequest, model_id: str) -> dict[str, Any]:
    """What the package's `converse_stream` is called with. `maxTokens` is always there: a model's own limit is large.

    Turns of one role that follow each other are joined, and blank text is left out: Converse refuses both.
    """
    chosen = request.options
    wanted = chosen.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    limit = request.context_window
    inference: dict[str, Any] = {"maxTokens": max(1, min(wanted, limit) if limit else wanted)}
    if chosen.temperature is not None:
        inference["temperature"] = chosen.temperature
    if chosen.top_p is not None:
        inference["topP"] = chosen.top_p
    if stop := [text for text in chosen.stop if text]:
        inference["stopSequences"] = stop
    arguments: dict[str, Any] = {
        "modelId": model_id,
        "messages": _turns(request.messages),
        "inferenceConfig": inference,
    }
    system = [message.content for message in request.messages if message.role == "system"]
    if told := [{"text": text} for text in system if text.strip()]:
        arguments["system"] = told
    # A conversation in which tools were used is refused without tools, even when none is offered now.
    if tools := request.tools or _tools_used(request.messages):
        arguments["toolConfig"] = {"tools": [{"toolSpec": _spec(tool)} for tool in tools]}
    if chosen.json_schema is not None:
        schema = msgspec.json.encode(chosen.json_schema or {"type": "object"}).decode()
        structure = {"jsonSchema": {"name": "answer", "schema": schema}}
        arguments["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": structure}}
    return arguments


def _tools_used(messages: Sequence[PromptMessage]) -> list[Tool]:
    names = dict.fromkeys(call.name for message in messages for call in message.tool_calls)
    return [Tool(name, "", {"type": "object"}) for name in names]


def _spec(tool: Tool) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, "inputSchema": {"json": tool.parameters}, **described}


def _turns(messages: Sequence[PromptMessage]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        # The result of a tool is what the user's side says.
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: PromptMessage) -> list[dict[str, Any]]:
    text = [{"text": message.content}] if message.content.strip() else []
    if message.role == "tool":
        return [{"toolResult": {"toolUseId": _id(message.tool_call_id), "content": text}}]
    blocks: list[dict[str, Any]] = [*text]
    blocks += [
        {"image": {"format": image.media_type.partition("/")[2], "source": {"bytes": image.data}}}
        for image in message.images
    ]
    blocks += [
        {"toolUse": {"toolUseId": _id(call.id), "name": call.name, "input": arguments_of(call)}}
        for call in message.tool_calls
    ]
    return blocks


def _id(told: str) -> str:
    """A call's id in letters that Converse takes: the call may be another provider's."""
    return _STRANGE_IN_AN_ID.sub("_", told)[:_LONGEST_ID] or "call"
