"""A run that is in no database, for what looks at a run alone."""

from typing import Any

from bson import ObjectId

from chat.types import Run, RunStatus
from eloquent.foundation.clock import now


def run_of_nobody(**changes: Any) -> Run:
    """At work, with a lease that is over."""
    usual = {"status": RunStatus.STREAMING, "active": True, "lease_expires_at": now(), "created_at": now()}
    return Run(
        id=ObjectId(),
        conversation_id=ObjectId(),
        user_id=ObjectId(),
        user_message_id=ObjectId(),
        message_id=ObjectId(),
        branch_id=ObjectId(),
        model="ollama/any",
        provider="ollama",
        **{**usual, **changes},
    )
