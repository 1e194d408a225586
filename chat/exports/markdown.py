"""A conversation as Markdown for people to read. Pure.

What was written stays as it was written: it is Markdown already. Only what would spill into the next message is closed.
"""

import re
from datetime import datetime
from typing import Any, Final

import orjson

from chat.types import Conversation, Message, MessageStatus, Role

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_SPEAKERS: Final = {Role.USER: "You", Role.ASSISTANT: "Assistant"}
_ENDS: Final = {
    MessageStatus.STREAMING: "*This answer was still being written.*",
    MessageStatus.STOPPED: "*This answer was stopped.*",
    MessageStatus.FAILED: "*This answer failed.*",
    MessageStatus.INTERRUPTED: "*This answer was interrupted.*",
}
# A backslash before what would make a title something else than its words.
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>#|])")


def heading(conversation: Conversation, exported_at: datetime) -> str:
    """The beginning of the file: the title, and what there is to know of the whole."""
    title = _escaped(" ".join(conversation.title.split())) or "Conversation"
    facts = [f"- Model: {conversation.model}"] if conversation.model else []
    facts += [f"- Begun: {_moment(conversation.created_at)}", f"- Last changed: {_moment(conversation.updated_at)}"]
    facts.append(f"- Exported: {_moment(exported_at)}")
    lines = [f"# {title}", "", *facts, ""]
    if conversation.system_prompt:
        lines += ["## System prompt", "", closed(conversation.system_prompt), ""]
    return "\n".join(lines)


def section(message: Message) -> str:
    """One message with its heading."""
    who = _SPEAKERS[message.role] + (f" ({_escaped(message.model)})" if message.model else "")
    blocks = [f"## {who}, {_moment(message.created_at)}"]
    blocks += [block for part in message.parts if (block := _block(part))]
    if message.status in _ENDS:
        blocks.append(_ENDS[message.status])
    return "\n\n".join(["", *blocks, ""])


def closed(text: str) -> str:
    """The text with the code fence closed that it leaves open, so that it does not swallow what follows."""
    fence = ""
    for line in text.splitlines():
        found = _FENCE.match(line)
        if found is None:
            continue
        marks, rest = found.groups()
        if not fence:
            # A backtick in the rest makes it code within a line.
            fence = "" if marks[0] == "`" and "`" in rest else marks
        elif marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip():
            fence = ""
    text = text.rstrip("\n")
    return f"{text}\n{fence}" if fence else text


def _block(part: dict[str, Any]) -> str:
    kind = str(part.get("type", ""))
    if kind == "text":
        return closed(str(part.get("text", "")))
    if kind == "reasoning":
        return "\n".join(f"> {line}".rstrip() for line in closed(str(part.get("text", ""))).splitlines())
    if kind == "file":
        return f"*Attached: {_escaped(str(part.get('filename', '?')))} ({part.get('mediaType', '?')})*"
    if kind == "data-notice":
        return f"*{_escaped(str(part.get('data', {}).get('detail', '')))}*"
    if kind == "dynamic-tool":
        call = orjson.dumps(part.get("input"), option=orjson.OPT_INDENT_2).decode()
        return "\n\n".join([f"Tool `{part.get('toolName', '?')}`:", _fenced(call), *_said_by_tool(part)])
    return ""


def _said_by_tool(part: dict[str, Any]) -> list[str]:
    if part.get("state") == "output-error":
        return [f"Error: {_escaped(str(part.get('errorText', '')))}"]
    if part.get("state") == "approval-requested":
        return ["*Not called: it waits for your agreement.*"]
    if part.get("state") == "output-denied":
        return ["*Not called: you did not agree.*"]
    if part.get("state") != "output-available":
        return []
    return ["Result:", _fenced(orjson.dumps(part.get("output"), option=orjson.OPT_INDENT_2).decode())]


def _fenced(code: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}json\n{code}\n{fence}"


def _escaped(words: str) -> str:
    return _SPECIAL.sub(r"\\\1", words)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
