"""What every tool has in common, whoever offers it: who asks, what comes back, and how a failure reads.

A failed call is never an exception for the caller: it is a result with a sentence that the language model can act on.
What really happened is in the log.
"""

from typing import Any, Final

import msgspec

LONGEST_ARGUMENTS: Final = 32_000
"""Characters of JSON that a call may bring."""
LONGEST_RESULT: Final = 32_000
"""Characters that a result may have. It goes into the prompt of every later step, so more would push out the rest."""


class ToolResult(msgspec.Struct, frozen=True, gc=False):
    """What the language model is told; at most `LONGEST_RESULT` characters, always valid Unicode."""

    output_text: str
    is_error: bool = False


class Caller(msgspec.Struct, frozen=True):
    """For whom a tool is called. A tool with a parameter of this type gets it; the language model does not see that.

    `user_id` is the user's id as text. `permissions` are names such as "tools.search".
    """

    user_id: str
    permissions: frozenset[str] = frozenset()


class ToolFailed(Exception):
    """A call could not be done. The text is a sentence for the language model: no internals in it."""


def unknown(name: str) -> ToolResult:
    """What is said of a tool that does not exist, and of one that is not for this user: the same."""
    return failure(f"There is no tool named {name[:100]}. Use one of those that were offered.")


def failure(sentence: str) -> ToolResult:
    """A result that says what went wrong."""
    return ToolResult(sentence[:LONGEST_RESULT].encode(errors="replace").decode(), is_error=True)


def result_of(name: str, value: Any) -> ToolResult:
    """The value as text: a string as it is, anything else as JSON.

    Raises:
        ToolFailed: it is too long.
        TypeError: it cannot be written as JSON.
    """
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if len(text) > LONGEST_RESULT:
        raise ToolFailed(
            f"The result of {name} is too long: {len(text):,} characters, and {LONGEST_RESULT:,} is the most. "
            "Ask for less."
        )
    # A lone surrogate would be refused by everything that stores or sends the text.
    return ToolResult(text.encode(errors="replace").decode())
