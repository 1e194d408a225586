"""The tools that language models may call, over HTTP."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from accounts.authentication import SessionAuth, identity_of
from chat.tool_choice import toolkit_of
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import json_reply
from inference.tools import toolbox

router = Router(tags=["models"], auth=SessionAuth())


class ToolOut(Schema):
    """A tool. `parameters` is the JSON schema of its arguments.

    `needs_approval`: you are asked before each call, and the answer waits (`POST /messages/{message_id}/approvals`).
    """

    name: str
    description: str
    parameters: dict[str, Any]
    needs_approval: bool


class ToolList(Schema):
    """All of them: the list is short, so `next_cursor` is always null."""

    items: list[ToolOut]
    next_cursor: str | None = None


@router.get(
    "/tools",
    response={200: ToolList, **problems(401)},
    operation_id="list_tools",
    summary="List the tools that a language model may call for you",
)
async def list_tools(request: HttpRequest) -> HttpResponse:
    """Name some of them as `tools` with a question, and a model that can use tools may call them.

    What it calls and what it is told are parts of the answer: `dynamic-tool`, as the AI SDK has them.
    """
    tools, _ = await toolkit_of(identity_of(request).user_id)
    items = [
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "needs_approval": toolbox.needs_approval(tool.name),
        }
        for tool in tools
    ]
    return json_reply({"items": items, "next_cursor": None})
