"""Deleting a conversation: its answers are stopped first, so that none is written into nothing."""

import asyncio

from chat import notices, store, titling
from chat.attachments.keeping import delete_attachments_of
from chat.runs import stop_run
from eloquent.foundation.errors import NotFound
from eloquent.foundation.ids import ConversationId, UserId


async def delete_conversation(owner: UserId, conversation_id: ConversationId) -> None:
    """Delete the owner's conversation with all its messages, runs and files.

    Raises:
        NotFound: none with this id, or another user's.
        StorageAway: its files cannot be deleted now; what is left can be deleted again.
    """
    titling.conversation_deleted(conversation_id)
    active = await store.active_runs_of(owner, conversation_id)
    await asyncio.gather(*(stop_run(owner, run.id) for run in active))
    # As in the store: what is below goes first, and what was sent meanwhile after it.
    await delete_attachments_of(owner, conversation_id)
    if not await store.delete_conversation(owner, conversation_id):
        raise NotFound("There is no such conversation.")
    await delete_attachments_of(owner, conversation_id)
    notices.tell(owner, notices.ConversationDeleted(str(conversation_id)))
