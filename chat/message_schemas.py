"""What travels over HTTP about one message: its other wordings and answers, its siblings, and the opinion of it."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from ninja import Schema
from pydantic import Field, StringConstraints

from chat.branches import SiblingPage
from chat.schemas import Asked, PartsIn
from chat.types import MessageStatus, Role
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Body, Flag
from inference.steps import LONGEST_CALL_ID, LONGEST_REASON, MOST_CALLS_A_STEP

LONGEST_COMMENT: Final = 2_000
LONGEST_APPROVAL_ID: Final = LONGEST_CALL_ID + 16


class Rewording(Asked):
    """The new wording of a message of the user's."""

    parts: PartsIn


class Regeneration(Asked):
    """How the other answer is to be made; with nothing in it, as the conversation says."""


class ApprovalIn(Body):
    """What the user decided about one call: `approval_id` is the `approval.id` of its part."""

    approval_id: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_APPROVAL_ID)]
    approved: Flag
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_REASON)] = ""


class ApprovalsIn(Body):
    """The decisions about every call of an answer that waits for one. Of two about one call the last holds."""

    approvals: Annotated[list[ApprovalIn], Field(min_length=1, max_length=MOST_CALLS_A_STEP)]


class FeedbackIn(Body):
    """What the user thinks of an answer. With neither a rating nor a comment there is no opinion any more."""

    rating: Literal["up", "down"] | None
    comment: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_COMMENT)] = ""


class SiblingOut(Schema):
    """A message beside others, which have the same parent. `shown` says that it is on the branch shown."""

    id: ObjectIdField
    role: Role
    status: MessageStatus
    model: str
    shown: bool
    created_at: datetime


class SiblingsOut(Schema):
    """Siblings, the oldest first."""

    items: list[SiblingOut]
    next_cursor: str | None


def siblings_out(page: SiblingPage) -> dict[str, Any]:
    """A `SiblingsOut`."""
    items = [
        {
            "id": str(sibling.id),
            "role": sibling.role,
            "status": sibling.status,
            "model": sibling.model,
            "shown": sibling.id == page.shown_id,
            "created_at": sibling.created_at,
        }
        for sibling in page.items
    ]
    return {"items": items, "next_cursor": page.next_cursor}
