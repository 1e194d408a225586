"""The own account's record over HTTP."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from accounts.activity import Activity, By, activity_of, cursor_behind, number_of
from accounts.authentication import SessionAuth, identity_of
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Cursor, PageSize
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import json_reply

router = Router(tags=["accounts"], auth=SessionAuth())


class ActivityOut(Schema):
    """Something that happened to the account. Where from is told of what the user did, and of who was not let in."""

    id: ObjectIdField
    action: str = Field(description="what happened, such as `session.signed_in`", examples=["session.signed_in"])
    at: datetime
    by: By = Field(description="`you`, `staff`, or `unknown` for a stranger and for the service itself")
    ip: str
    device: str = Field(description="what the device is called", examples=["Firefox on Linux"])
    user_agent: str


class ActivityPage(Schema):
    """Events, newest first."""

    items: list[ActivityOut]
    next_cursor: str | None


@router.get(
    "/me/activity",
    response={200: ActivityPage, **problems(401, 422)},
    operation_id="list_activity",
    summary="List what happened to the own account",
)
async def list_activity(request: HttpRequest, cursor: Cursor = None, limit: PageSize = 30) -> HttpResponse:
    """Sign-ins and failed ones, ended sessions, changes of the account: newest first."""
    found = await activity_of(identity_of(request).user_id, before=number_of(cursor), limit=limit + 1)
    page, more = found[:limit], len(found) > limit
    next_cursor = cursor_behind(page[-1]) if more else None
    return json_reply({"items": [activity_out(each) for each in page], "next_cursor": next_cursor})


def activity_out(activity: Activity) -> dict[str, Any]:
    """An ActivityOut."""
    return {
        "id": str(activity.entry.id),
        "action": activity.entry.action,
        "at": activity.entry.at,
        "by": activity.by,
        "ip": activity.ip,
        "device": activity.device,
        "user_agent": activity.user_agent,
    }
