"""What fits a language model's window. Pure.

Whole turns are left out, oldest first; the system prompt and the newest message always stay. Tokens are estimated:
the exact count is known to the model's server alone, so the estimate errs on the high side and the reader is told what
was left out.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from chat.types import Message, Role
from eloquent.foundation.ids import MessageId
from inference.types import PromptMessage

# English is about 4.2 UTF-8 bytes a token in today's vocabularies, most other scripts nearer to 3.
_BYTES_PER_TOKEN: Final = 3.2
_TOKENS_AROUND_A_MESSAGE: Final = 6
# Of the window, this much is left to the answer.
_ANSWER_SHARE: Final = 0.25


class Prompt(NamedTuple):
    """The messages to send; `used` and `limit` in estimated tokens; `dropped` are the ids left out, oldest first.

    `more_dropped` says that there are still older ones, which were not even read.
    """

    messages: tuple[PromptMessage, ...]
    used: int
    limit: int
    dropped: tuple[MessageId, ...]
    more_dropped: bool


def estimated_tokens(text: str) -> int:
    """About how many tokens a message with this text takes, rather too many than too few."""
    return int(len(text.encode("utf-8", "surrogatepass")) / _BYTES_PER_TOKEN) + _TOKENS_AROUND_A_MESSAGE


def fit(system_prompt: str, branch: Sequence[Message], window_tokens: int) -> Prompt:
    """The prompt for the branch, whose last message is the one to answer.

    Messages without text (an answer that failed at once) are passed over.
    """
    limit = max(int(window_tokens * (1 - _ANSWER_SHARE)), 1)
    system = (PromptMessage("system", system_prompt),) if system_prompt else ()
    used = sum(estimated_tokens(message.content) for message in system)
    spoken = [message for message in branch if message.text]
    first_kept = len(spoken)
    for number in range(len(spoken) - 1, -1, -1):
        cost = estimated_tokens(spoken[number].text)
        if first_kept < len(spoken) and used + cost > limit:
            break
        used += cost
        first_kept = number
    # A turn begins with the user's message: an answer whose question was left out goes too.
    while first_kept < len(spoken) - 1 and spoken[first_kept].role is Role.ASSISTANT:
        used -= estimated_tokens(spoken[first_kept].text)
        first_kept += 1
    return Prompt(
        messages=system + tuple(PromptMessage(message.role.value, message.text) for message in spoken[first_kept:]),
        used=used,
        limit=limit,
        dropped=tuple(message.id for message in spoken[:first_kept]),
        more_dropped=branch[0].parent_id is not None,
    )
