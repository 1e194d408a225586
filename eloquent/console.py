"""The staff console around its pages: name, sidebar, and the first page's numbers.

`UNFOLD` is read by Django's settings, so this module touches no model before it is asked.
"""

import json
from datetime import datetime, time
from typing import Any, Final

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString


def _has(request: HttpRequest, permission: str) -> bool:
    user: Any = request.user
    return bool(user.has_perm(permission))


def may_view_users(request: HttpRequest) -> bool:
    """Whether the sidebar offers users."""
    return _has(request, "accounts.view_user")


def may_view_sessions(request: HttpRequest) -> bool:
    """Whether the sidebar offers signed-in devices."""
    return _has(request, "accounts.view_session")


def may_view_api_keys(request: HttpRequest) -> bool:
    """Whether the sidebar offers API keys."""
    return _has(request, "accounts.view_apikey")


def may_view_audit(request: HttpRequest) -> bool:
    """Whether the sidebar offers the audit."""
    return _has(request, "accounts.view_auditentry")


def may_view_conversations(request: HttpRequest) -> bool:
    """Whether the sidebar offers conversations."""
    return _has(request, "chat.view_conversation")


def may_view_messages(request: HttpRequest) -> bool:
    """Whether the sidebar offers messages."""
    return _has(request, "chat.view_message")


def may_view_runs(request: HttpRequest) -> bool:
    """Whether the sidebar offers runs."""
    return _has(request, "chat.view_run")


def may_view_imports(request: HttpRequest) -> bool:
    """Whether the sidebar offers imports."""
    return _has(request, "chat.view_import")


def may_view_attachments(request: HttpRequest) -> bool:
    """Whether the sidebar offers attached files."""
    return _has(request, "chat.view_attachment")


def may_view_retention_rules(request: HttpRequest) -> bool:
    """Whether the sidebar offers rules of retention."""
    return _has(request, "chat.view_retentionrule")


def may_view_erasures(request: HttpRequest) -> bool:
    """Whether the sidebar offers erasures."""
    return _has(request, "accounts.view_erasure")


def may_view_exports(request: HttpRequest) -> bool:
    """Whether the sidebar offers exports."""
    return _has(request, "accounts.view_dataexport")


def may_view_invitations(request: HttpRequest) -> bool:
    """Whether the sidebar offers invitations."""
    return _has(request, "accounts.view_invitation")


def may_view_language_models(request: HttpRequest) -> bool:
    """Whether the sidebar offers language models."""
    return _has(request, "inference.view_modelentry")


def may_view_usage(request: HttpRequest) -> bool:
    """Whether the sidebar offers the ledger."""
    return _has(request, "inference.view_usageline")


def may_view_budgets(request: HttpRequest) -> bool:
    """Whether the sidebar offers budgets."""
    return _has(request, "inference.view_budget")


def may_view_spending(request: HttpRequest) -> bool:
    """Whether the sidebar offers what is spent of budgets."""
    return _has(request, "inference.view_budgetspending")


def may_view_groups(request: HttpRequest) -> bool:
    """Whether the sidebar offers groups, which hold rights."""
    user: Any = request.user
    return bool(user.is_active and user.is_superuser)


def _entry(title: str, icon: str, page: str, what: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{page}"),
        "permission": f"eloquent.console.may_view_{what}",
    }


UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "Eloquent AI",
    "SITE_HEADER": "Eloquent AI",
    "SITE_SUBHEADER": "Staff console",
    "SITE_ICON": lambda _request: static("chat/logo.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("chat/logo.svg")},
    ],
    # The chat page's green, from its lightest to its darkest.
    "COLORS": {
        "primary": {
            "50": "#eef8f5",
            "100": "#d5efe8",
            "200": "#aeded3",
            "300": "#6ccdb8",
            "400": "#3fae98",
            "500": "#1f8f7b",
            "600": "#0d6858",
            "700": "#0a5246",
            "800": "#0a4239",
            "900": "#083530",
            "950": "#041f1c",
        },
    },
    # It makes the other scripts keep to the console's policy (`eloquent.foundation.content_security`).
    "SCRIPTS": [lambda _request: static("console/early.js")],
    "SITE_URL": "/",
    "LOGIN": {"form": "accounts.staff_sign_in.StaffSignInForm"},
    "ACCOUNT": {
        "navigation": [
            {"title": "Second factor", "link": reverse_lazy("second_factor")},
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
        ]
    },
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "eloquent.console.with_numbers",
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Chat",
                "items": [
                    _entry("Conversations", "forum", "chat_conversation_changelist", "conversations"),
                    _entry("Messages", "chat", "chat_message_changelist", "messages"),
                    _entry("Runs", "play_circle", "chat_run_changelist", "runs"),
                    _entry("Imports", "upload_file", "chat_import_changelist", "imports"),
                    _entry("Attachments", "attach_file", "chat_attachment_changelist", "attachments"),
                    _entry("Retention", "auto_delete", "chat_retentionrule_changelist", "retention_rules"),
                ],
            },
            {
                "title": "Language models",
                "items": [
                    _entry("Catalog", "neurology", "inference_modelentry_changelist", "language_models"),
                    _entry("Usage", "receipt_long", "inference_usageline_changelist", "usage"),
                    _entry("Budgets", "savings", "inference_budget_changelist", "budgets"),
                    _entry("Spending", "data_usage", "inference_budgetspending_changelist", "spending"),
                ],
            },
            {
                "title": "People",
                "items": [
                    _entry("Users", "person", "accounts_user_changelist", "users"),
                    _entry("Signed-in devices", "devices", "accounts_session_changelist", "sessions"),
                    _entry("API keys", "key", "accounts_apikey_changelist", "api_keys"),
                    _entry("Invitations", "mail", "accounts_invitation_changelist", "invitations"),
                    _entry("Groups", "group", "auth_group_changelist", "groups"),
                    _entry("Audit", "policy", "accounts_auditentry_changelist", "audit"),
                    _entry("Erasures", "person_remove", "accounts_erasure_changelist", "erasures"),
                    _entry("Exports", "folder_zip", "accounts_dataexport_changelist", "exports"),
                ],
            },
        ],
    },
}


def readable_json(value: Any, encoder: type[json.JSONEncoder] | None) -> SafeString:
    """A JSON field as staff read it."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, cls=encoder)
    return format_html('<pre class="break-words font-mono text-xs whitespace-pre-wrap">{}</pre>', text)


def with_numbers(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The first page's context with what the asker may know: totals, and today's runs (UTC) by status."""
    from accounts.models import User
    from chat.models import Conversation, Message, Run

    totals = [
        (model._meta.verbose_name_plural, _total(model), reverse_lazy(f"admin:{page}_changelist"))
        for model, page, allowed in (
            (User, "accounts_user", may_view_users),
            (Conversation, "chat_conversation", may_view_conversations),
            (Message, "chat_message", may_view_messages),
            (Run, "chat_run", may_view_runs),
        )
        if allowed(request)
    ]
    context["totals"] = totals
    context["runs_today"] = _runs_today(Run) if may_view_runs(request) else None
    return context


def _total(model: Any) -> int:
    """From the collection's statistics: at once, and at most slightly off after a crash."""
    from eloquent.mongodb.changelists import CollectionPaginator

    return CollectionPaginator(model.objects.order_by("pk"), 1).count


def _runs_today(run: Any) -> list[tuple[str, int]]:
    from django.db.models import Count

    midnight = datetime.combine(timezone.now().date(), time(), tzinfo=timezone.get_default_timezone())
    counted = run.objects.filter(created_at__gte=midnight).order_by().values("status").annotate(many=Count("pk"))
    return sorted((row["status"], row["many"]) for row in counted)
