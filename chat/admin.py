"""The staff console's pages of conversations, messages, runs and imports: read, searched, never rewritten."""

from datetime import timedelta
from typing import Any

from bson import ObjectId
from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from chat.attachments import screens as _screens  # noqa: F401 - registers its page
from chat.models import Conversation, Import, Message, Run
from chat.retention import screens as _retention_screens  # noqa: F401 - as above
from eloquent.mongodb.changelists import CountedDeletion, HistoryAdmin

MESSAGES_A_PAGE = 50
TEXT_IN_LIST_CHARS = 80
CONVERSATIONS_A_SEARCH = 1_000

MESSAGE_COLOURS = {
    "complete": "success",
    "streaming": "info",
    "stopped": "warning",
    "failed": "danger",
    "interrupted": "danger",
}
RUN_COLOURS = {**MESSAGE_COLOURS, "queued": "info", "loading": "info"}
IMPORT_COLOURS = {
    "complete": "success",
    "uploading": "info",
    "queued": "info",
    "running": "info",
    "cancelled": "warning",
    "failed": "danger",
}


def _tokens(usage: dict[str, Any] | None) -> str:
    if not usage:
        return "-"
    counts = [usage.get("inputTokens"), usage.get("outputTokens")]
    text = " / ".join("?" if count is None else str(count) for count in counts)
    return text if usage.get("reported", True) else f"{text} (estimated)"


def _conversation_link(conversation: Conversation) -> str:
    return format_html(
        '<a href="{}">{}</a>', reverse("admin:chat_conversation_change", args=[conversation.pk]), conversation
    )


@admin.register(Conversation)
class ConversationAdmin(CountedDeletion, HistoryAdmin):
    """Conversations, each with its transcript."""

    list_display = ("title_shown", "user", "model", "message_count", "marks", "updated_at")
    list_prefetch = ("user",)
    list_filter = ("archived", "pinned")
    search_fields = ("title",)
    search_help_text = "Words of a title, an email or an id"
    owner_field = "user"
    ordering = ("-updated_at",)
    sortable_by = ("updated_at",)
    fields = (
        ("title", "user"),
        ("model", "message_count"),
        ("pinned", "archived"),
        ("created_at", "updated_at"),
        "system_prompt",
    )
    readonly_fields = (
        "title",
        "user",
        "model",
        "message_count",
        "pinned",
        "archived",
        "created_at",
        "updated_at",
        "system_prompt",
    )
    change_form_outer_after_template = "admin/chat/transcript.html"

    @display(description="Title")
    def title_shown(self, conversation: Conversation) -> str:
        """The title, or words in its place, so that there is something to click on."""
        return str(conversation)

    @display(description="")
    def marks(self, conversation: Conversation) -> str:
        """What is out of the ordinary: pinned, archived."""
        return ", ".join(name for name in ("pinned", "archived") if getattr(conversation, name))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The conversation with one page of its messages, oldest first; `?messages=N` turns the page."""
        context = dict(extra_context or {})
        if ObjectId.is_valid(object_id):
            messages = Message.objects.filter(conversation=ObjectId(object_id)).order_by("pk")
            page = Paginator(messages, MESSAGES_A_PAGE).get_page(request.GET.get("messages"))
            context["transcript"] = page
            context["entries"] = _entries(list(page))
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response


def _entries(messages: list[Message]) -> list[dict[str, Any]]:
    """What the transcript shows of each message.

    `turns_off` marks an edit or a second answer: it does not follow the message above it.
    """
    entries = []
    previous: ObjectId | None = None
    for message in messages:
        entries.append(
            {
                "message": message,
                "colour": MESSAGE_COLOURS.get(message.status, "info"),
                "tokens": _tokens(message.usage),
                "other_parts": [part.get("type", "?") for part in message.parts if part.get("type") != "text"],
                "turns_off": previous is not None and message.parent_id != previous,
                "url": reverse("admin:chat_message_change", args=[message.pk]),
            }
        )
        previous = message.pk
    return entries


class PartOfConversation(HistoryAdmin):
    """What lies in conversations. It is found by its owner through them: it has no index by owner of its own."""

    owner_field = "user"
    list_prefetch = ("user",)
    ordering = ("-created_at",)
    sortable_by = ("created_at",)

    def belonging_to(self, people: list[ObjectId]) -> Q:
        """What lies in the conversations of these users, the latest of them if they have very many."""
        theirs = Conversation.objects.filter(user__in=people).order_by("-updated_at", "-pk")
        return Q(conversation__in=list(theirs.values_list("pk", flat=True)[:CONVERSATIONS_A_SEARCH]))

    def matching_id(self, object_id: ObjectId) -> Q:
        """The one with this id, or all in the conversation with this id."""
        return super().matching_id(object_id) | Q(conversation=object_id)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody on its own: it goes with its conversation."""
        del request, obj
        return False


@admin.register(Message)
class MessageAdmin(PartOfConversation):
    """Messages of all conversations, newest first."""

    list_display = ("beginning", "role", "status_shown", "owner", "model", "created_at")
    list_filter = ("role", "status")
    search_fields = ("text",)
    search_help_text = "Words of a text, an email or an id (of a message, a conversation or a user)"
    fields = (
        ("role", "status_shown"),
        ("owner", "conversation_shown"),
        ("model", "tokens"),
        "created_at",
        "text_shown",
        "error",
        ("context", "feedback"),
        "parts",
    )
    readonly_fields = (
        "role",
        "status_shown",
        "owner",
        "conversation_shown",
        "model",
        "tokens",
        "created_at",
        "text_shown",
        "error",
        "context",
        "feedback",
        "parts",
    )

    @display(description="Text")
    def beginning(self, message: Message) -> str:
        """The first line's beginning."""
        text = " ".join(message.text_so_far[: 2 * TEXT_IN_LIST_CHARS].split())
        return f"{text[:TEXT_IN_LIST_CHARS]}…" if len(text) > TEXT_IN_LIST_CHARS else text or "(no text)"

    @display(description="Status", label=MESSAGE_COLOURS)
    def status_shown(self, message: Message) -> str:
        """The status in its colour."""
        return message.status

    @display(description="Owner")
    def owner(self, message: Message) -> str:
        """Whose conversation it is in. A user who was deleted meanwhile has left the message's own copy of the id."""
        return _owner(message)

    @display(description="Conversation")
    def conversation_shown(self, message: Message) -> str:
        """A link to the whole."""
        return _conversation_link(message.conversation)

    @display(description="Tokens in / out")
    def tokens(self, message: Message) -> str:
        """What the language model counted."""
        return _tokens(message.usage)

    @display(description="Text")
    def text_shown(self, message: Message) -> str:
        """All of it, lines kept."""
        return format_html('<div class="whitespace-pre-wrap break-words">{}</div>', message.text_so_far)


@admin.register(Run)
class RunAdmin(PartOfConversation):
    """Runs: how each answer came about, how fast, and how it ended."""

    list_display = ("model", "status_shown", "owner", "provider", "to_first_token", "took", "tokens", "created_at")
    list_filter = ("status", "created_at")
    search_fields = ("model", "provider")
    search_help_text = "A language model, a provider, an email or an id (of a run, a conversation or a user)"
    fields = (
        ("status_shown", "owner"),
        ("model", "provider"),
        ("to_first_token", "took"),
        ("tokens", "conversation_shown"),
        ("created_at", "started_at"),
        ("first_token_at", "finished_at"),
        "error",
    )
    readonly_fields = (
        "status_shown",
        "owner",
        "model",
        "provider",
        "to_first_token",
        "took",
        "tokens",
        "conversation_shown",
        "created_at",
        "started_at",
        "first_token_at",
        "finished_at",
        "error",
    )

    @display(description="Status", label=RUN_COLOURS)
    def status_shown(self, run: Run) -> str:
        """The status in its colour."""
        return run.status

    @display(description="Owner")
    def owner(self, run: Run) -> str:
        """Who asked."""
        return _owner(run)

    @display(description="Conversation")
    def conversation_shown(self, run: Run) -> str:
        """A link to what was said."""
        return _conversation_link(run.conversation)

    @display(description="First token")
    def to_first_token(self, run: Run) -> str:
        """Seconds from the request to the first token."""
        return _seconds(run.first_token_at - run.created_at if run.first_token_at else None)

    @display(description="Took")
    def took(self, run: Run) -> str:
        """Seconds from the request to the rest."""
        return _seconds(run.finished_at - run.created_at if run.finished_at else None)

    @display(description="Tokens in / out")
    def tokens(self, run: Run) -> str:
        """What the language model counted."""
        return _tokens(run.usage)


@admin.register(Import)
class ImportAdmin(CountedDeletion, HistoryAdmin):
    """Files of conversations on their way into accounts, and what became of them."""

    list_display = ("name_shown", "user", "status_shown", "arrived", "added", "failed", "created_at")
    list_prefetch = ("user",)
    list_filter = ("status",)
    search_fields = ("name",)
    search_help_text = "A file's name, an email or an id"
    owner_field = "user"
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    fields = (
        ("name", "user"),
        ("status_shown", "arrived"),
        ("added", "known"),
        ("failed", "attempts"),
        ("created_at", "finished_at"),
        ("expires_at", "worker"),
        "problems_shown",
    )
    readonly_fields = (
        "name",
        "user",
        "status_shown",
        "arrived",
        "added",
        "known",
        "failed",
        "created_at",
        "finished_at",
        "expires_at",
        "worker",
        "attempts",
        "problems_shown",
    )

    @display(description="File")
    def name_shown(self, upload: Import) -> str:
        """The name, or words in its place, so that there is something to click on."""
        return upload.name or "(no name)"

    @display(description="Status", label=IMPORT_COLOURS)
    def status_shown(self, upload: Import) -> str:
        """The status in its colour."""
        return upload.status

    @display(description="Arrived")
    def arrived(self, upload: Import) -> str:
        """How much of the file is here."""
        return f"{100 * upload.received // upload.size}\N{NO-BREAK SPACE}% of {filesizeformat(upload.size)}"

    @display(description="Problems")
    def problems_shown(self, upload: Import) -> str:
        """What the user is told, a line each."""
        return format_html('<div class="whitespace-pre-wrap break-words">{}</div>', "\n".join(upload.problems) or "-")


def _owner(child: Any) -> str:
    return str(getattr(child, "user", None) or child.user_id)


def _seconds(duration: timedelta | None) -> str:
    return "-" if duration is None else f"{duration.total_seconds():.2f} s"
