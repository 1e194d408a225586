"""The request road's only way to conversations, messages and runs: typed values in, typed values out.

Only this package knows the documents. `chat.models` is the schema of record, and a test proves that the two agree.
Every function that takes an id takes its owner too; the exceptions serve the reaper, which has no user to ask for.
"""

from chat.store.conversations import (
    ListPosition,
    NameTaken,
    add_conversation,
    change_conversation,
    delete_conversation,
    find_conversation,
    find_conversation_called,
    list_conversations,
)
from chat.store.documents import CONVERSATIONS, MESSAGES, RUNS
from chat.store.messages import (
    branch_ending_at,
    children_of,
    find_message,
    keep_feedback,
    keep_progress,
    links_below,
    message_of_run,
    messages_called,
    shown_branch,
    siblings_below,
)
from chat.store.runs import (
    BranchBusy,
    ConversationGone,
    active_runs_of,
    add_run,
    claim_expired_run,
    expired_runs,
    find_run,
    find_run_by_key,
    forget_run,
    keep_rest,
    renew_lease,
    show_lost_run,
)
from chat.store.search import (
    Found,
    FoundText,
    Title,
    messages_matching,
    messages_with_word,
    texts_of,
    titles_of,
)
from chat.types import Conversation, Message, Run

__all__ = [
    "CONVERSATIONS",
    "MESSAGES",
    "RUNS",
    "BranchBusy",
    "Conversation",
    "ConversationGone",
    "Found",
    "FoundText",
    "ListPosition",
    "Message",
    "NameTaken",
    "Run",
    "Title",
    "active_runs_of",
    "add_conversation",
    "add_run",
    "branch_ending_at",
    "change_conversation",
    "children_of",
    "claim_expired_run",
    "delete_conversation",
    "expired_runs",
    "find_conversation",
    "find_conversation_called",
    "find_message",
    "find_run",
    "find_run_by_key",
    "forget_run",
    "keep_feedback",
    "keep_progress",
    "keep_rest",
    "links_below",
    "list_conversations",
    "message_of_run",
    "messages_called",
    "messages_matching",
    "messages_with_word",
    "renew_lease",
    "show_lost_run",
    "shown_branch",
    "siblings_below",
    "texts_of",
    "titles_of",
]
