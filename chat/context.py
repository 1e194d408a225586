"""What fits a language model's window. Pure: no database, no clock.

Whole turns are left out, oldest first; the system prompt and the newest message always stay. Tokens are estimated:
the exact count is known to the model's server alone, so the reader is told what was counted and left out, and the
server's own count is held against ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from chat.errors import MessageTooLong
from chat.types import Message, Role
from eloquent.foundation.ids import MessageId
from inference.tokens import estimated_tokens, fewest_tokens
from inference.types import Image, PromptMessage

_TOKENS_AROUND_A_MESSAGE: Final = 6
# Of the window, this much is left to the answer. It also takes up what the estimate is wrong by.
_ANSWER_SHARE: Final = 0.25
# A server that counts fewer tokens than this share of the fewest there can be did not read all of it.
_SURELY_TRUNCATED: Final = 0.8
# Nor is a handful of tokens, the template's and our own rounding, a sign of anything.
_UNSURE_TOKENS: Final = 32
# A picture is cut into squares of this side, a token each, and made smaller before when it is large.
_PIXELS_A_TOKEN: Final = 28 * 28
_FEWEST_PICTURE_TOKENS, _MOST_PICTURE_TOKENS = 64, 1_600


class Shown(NamedTuple):
    """What is shown of a message that has files, in the place of its text; `tokens` are the pictures', estimated."""

    text: str
    images: tuple[Image, ...]
    tokens: int


_NO_FILES: Final[Mapping[MessageId, Shown]] = {}


class Prompt(NamedTuple):
    """The messages to send; `used` and `limit` in estimated tokens; `dropped` are the ids left out, oldest first.

    `kept_from` is the oldest message kept. `more_dropped` says that there are still older ones, which were not even
    read.
    """

    messages: tuple[PromptMessage, ...]
    used: int
    limit: int
    dropped: tuple[MessageId, ...]
    kept_from: MessageId
    more_dropped: bool

    def told(self) -> dict[str, Any]:
        """What is said of it in `data-context` and kept with the answer: a few bytes, however long the branch is.

        `dropped` counts the messages before `kept_from` that were read and left out.
        """
        return {
            "used": self.used,
            "limit": self.limit,
            "dropped": len(self.dropped),
            "kept_from": str(self.kept_from),
            "more_dropped": self.more_dropped,
        }

    def was_truncated(self, input_tokens: int | None) -> bool:
        """Whether a server that counted so many tokens in the prompt left some of it out. False when it does not say.

        Judged by the fewest tokens that the prompt can have, not by the estimate: a language that a vocabulary knows
        well takes a third of what is estimated, and that is no truncation. So small omissions are not noticed.
        """
        return input_tokens is not None and input_tokens < self.used and surely_truncated(self.messages, input_tokens)


def fit(
    system_prompt: str, branch: Sequence[Message], window_tokens: int, shown: Mapping[MessageId, Shown] = _NO_FILES
) -> Prompt:
    """The prompt for the branch, whose last message is the one to answer. `shown` is what messages with files show.

    Earlier messages without text (an answer that failed at once) or files are passed over.

    Raises:
        MessageTooLong: the last message, with the system prompt, is larger than the whole window.
    """
    limit = max(int(window_tokens * (1 - _ANSWER_SHARE)), 1)
    system = (PromptMessage("system", system_prompt),) if system_prompt else ()
    used = sum(_tokens_of(message.content) for message in system)
    spoken = [message for message in branch[:-1] if message.text or message.id in shown] + [branch[-1]]
    first_kept = len(spoken)
    for number in range(len(spoken) - 1, -1, -1):
        cost = _cost_of(spoken[number], shown)
        if first_kept < len(spoken) and used + cost > limit:
            break
        used += cost
        first_kept = number
    # A turn begins with the user's message: an answer whose question was left out goes too.
    while first_kept < len(spoken) - 1 and spoken[first_kept].role is Role.ASSISTANT:
        used -= _cost_of(spoken[first_kept], shown)
        first_kept += 1
    if used > window_tokens:
        raise MessageTooLong(tokens=used, window=window_tokens)
    return Prompt(
        messages=system + tuple(_turn_of(message, shown) for message in spoken[first_kept:]),
        used=used,
        limit=limit,
        dropped=tuple(message.id for message in spoken[:first_kept]),
        kept_from=spoken[first_kept].id,
        more_dropped=branch[0].parent_id is not None,
    )


def picture_tokens(width: int, height: int) -> int:
    """About how many tokens a picture of so many pixels takes. Families of models differ in it by a factor of five."""
    return min(max(width * height // _PIXELS_A_TOKEN, _FEWEST_PICTURE_TOKENS), _MOST_PICTURE_TOKENS)


def surely_truncated(messages: Sequence[PromptMessage], input_tokens: int) -> bool:
    """Whether these messages are more than so many tokens in any vocabulary."""
    fewest = sum(fewest_tokens(message.content) for message in messages)
    return input_tokens + _UNSURE_TOKENS < fewest * _SURELY_TRUNCATED


def tokens_of(messages: Sequence[PromptMessage]) -> int:
    """About how many tokens these messages are, with what a template puts around them."""
    return sum(_tokens_of(message.content) for message in messages)


def _turn_of(message: Message, shown: Mapping[MessageId, Shown]) -> PromptMessage:
    files = shown.get(message.id)
    if files is None:
        return PromptMessage(message.role.value, message.text)
    return PromptMessage(message.role.value, files.text, files.images)


def _cost_of(message: Message, shown: Mapping[MessageId, Shown]) -> int:
    files = shown.get(message.id)
    return _tokens_of(message.text) if files is None else _tokens_of(files.text) + files.tokens


def _tokens_of(text: str) -> int:
    return estimated_tokens(text) + _TOKENS_AROUND_A_MESSAGE
