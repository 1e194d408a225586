"""Export over HTTP."""

from enum import StrEnum
from typing import Final

from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header
from ninja import Router

from accounts.authentication import SessionAuth, identity_of
from chat.conversations import conversation_of
from chat.exports.exporting import as_json, as_markdown
from chat.exports.file_schemas import ConversationFile
from chat.file_names import harmless
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.problems import problems

router = Router(tags=["chat"], auth=SessionAuth())

_LONGEST_NAME: Final = 80


class ExportFormat(StrEnum):
    """How a conversation is written down."""

    MARKDOWN = "markdown"
    JSON = "json"


_WRITERS: Final = {
    ExportFormat.MARKDOWN: (as_markdown, "text/markdown; charset=utf-8", "md"),
    ExportFormat.JSON: (as_json, "application/json", "json"),
}


@router.get(
    "/conversations/{conversation_id}/export",
    response={200: ConversationFile, **problems(401, 404, 422)},
    operation_id="export_conversation",
    summary="Export a conversation as a file",
    openapi_extra={
        "responses": {
            200: {
                "headers": {
                    "Content-Disposition": {
                        "description": "a name for the file, made from the title",
                        "schema": {"type": "string"},
                    }
                },
                "content": {"text/markdown": {"schema": {"type": "string"}, "example": "# Tea\n"}},
            }
        }
    },
)
async def export_conversation(
    request: HttpRequest,
    conversation_id: ObjectIdField,
    format: ExportFormat = ExportFormat.MARKDOWN,  # noqa: A002 -- the parameter's name in the interface
) -> StreamingHttpResponse:
    """As Markdown the branch shown, for people to read; as JSON everything, with all branches, for programs.

    The file is streamed while it is read. It has nothing of other users, nor of runs.
    """
    conversation = await conversation_of(identity_of(request).user_id, conversation_id)
    write, content_type, ending = _WRITERS[format]
    disposition = content_disposition_header(as_attachment=True, filename=f"{file_name(conversation.title)}.{ending}")
    headers = {"Content-Disposition": disposition or "attachment"}
    return StreamingHttpResponse(write(conversation), content_type=content_type, headers=headers)


def file_name(title: str) -> str:
    """A name for a file, without its ending: the title without what file systems and headers take amiss."""
    return harmless(title, longest=_LONGEST_NAME) or "conversation"
