"""The parts of a message, in the AI SDK's UIMessage form. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any


def plain_text(parts: Iterable[Mapping[str, Any]]) -> str:
    """What an answer says, without reasoning and tool calls."""
    return "".join(part["text"] for part in parts if part["type"] == "text")
