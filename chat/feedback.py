"""What a user thinks of an answer."""

from typing import Any

from chat import store
from chat.branches import message_of
from chat.errors import NotAnAnswer
from chat.types import Message
from eloquent.foundation.ids import MessageId, UserId


async def keep_feedback(owner: UserId, message_id: MessageId, *, rating: str | None, comment: str) -> Message:
    """Keep the opinion in place of an earlier one; without a rating and a comment there is none any more.

    Raises:
        NotFound: none with this id, or another user's.
        NotAnAnswer: it is the user's own message.
    """
    feedback: dict[str, Any] = {"rating": rating, "comment": comment}
    answer = await store.keep_feedback(owner, message_id, feedback if rating or comment else None)
    if answer is None:
        await message_of(owner, message_id)
        raise NotAnAnswer
    return answer
