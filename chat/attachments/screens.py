"""The staff console's page of attachments: what is known of them. What is in them is the users' alone."""

from django.contrib import admin
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from chat.models import Attachment
from eloquent.mongodb.changelists import HistoryAdmin


@admin.register(Attachment)
class AttachmentAdmin(HistoryAdmin):
    """Files that were uploaded, newest first."""

    list_display = ("name", "user", "media_type", "size_shown", "sent", "created_at")
    list_prefetch = ("user", "conversation")
    list_filter = ("media_type",)
    search_fields = ("name",)
    search_help_text = "A file's name, an email or an id"
    owner_field = "user"
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    fields = (
        ("name", "user"),
        ("media_type", "size_shown"),
        ("width", "height"),
        ("conversation_shown", "created_at", "expires_at"),
        "sha256",
    )
    readonly_fields = (
        "name",
        "user",
        "media_type",
        "size_shown",
        "width",
        "height",
        "conversation_shown",
        "created_at",
        "expires_at",
        "sha256",
    )

    @display(description="Size")
    def size_shown(self, attachment: Attachment) -> str:
        """The size in a unit that can be read."""
        return filesizeformat(attachment.size_bytes)

    @display(description="Sent", boolean=True)
    def sent(self, attachment: Attachment) -> bool:
        """Whether a message has it."""
        return attachment.conversation is not None

    @display(description="Conversation")
    def conversation_shown(self, attachment: Attachment) -> str:
        """A link to the conversation whose message has it."""
        if attachment.conversation is None:
            return "-"
        where = reverse("admin:chat_conversation_change", args=[attachment.conversation.pk])
        return format_html('<a href="{}">{}</a>', where, attachment.conversation)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody on its own: it goes with its conversation, or when it was not sent in time."""
        del request, obj
        return False
