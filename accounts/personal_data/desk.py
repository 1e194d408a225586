"""Erasing users from the staff console: the same job as their own wish, asked for by a superuser, in two steps."""

from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import action

from accounts import store
from accounts.devices import device_of
from accounts.models import User
from accounts.personal_data.asking import ask_for_erasure
from eloquent.foundation.config import get_config
from eloquent.foundation.ids import UserId
from eloquent.foundation.personal_data import personal_stores
from eloquent.mongodb.changelists import is_superuser

MOST_AT_ONCE = 20


class ErasesUsers:
    """For the admin class of users: the action `erase` in the place of Django's deletion.

    That one holds the request until everything is gone, leaves files behind, and forgets what no row leads to.
    """

    def has_erase_permission(self, request: HttpRequest) -> bool:
        """Superusers: all that a user wrote goes along."""
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody: users are erased."""
        del request, obj
        return False

    @action(description="Erase: delete these users and all that is theirs", permissions=["erase"])
    def erase(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ask whether that is meant, and then have it done."""
        page: Any = self
        staff: Any = request.user
        chosen = list(queryset[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            page.message_user(request, f"At most {MOST_AT_ONCE} users at once.", messages.WARNING)
            return None
        if any(user.pk == staff.pk for user in chosen):
            page.message_user(request, "Your own account is erased by yourself, not from here.", messages.WARNING)
            return None
        if request.POST.get("post") != "yes":
            return self._question(request, chosen)
        for user in chosen:
            # First: the erasure takes the name out of it.
            page.log_change(request, user, "Erasure asked for.")
            async_to_sync(_ask)(user.pk, staff.pk, request)
        many = f"{len(chosen)} user{'s' * (len(chosen) != 1)}"
        page.message_user(request, f"{many} will be erased, and cannot sign in any more.", messages.SUCCESS)
        return None

    def _question(self, request: HttpRequest, chosen: list[User]) -> HttpResponse:
        page: Any = self
        context = {
            **page.admin_site.each_context(request),
            "title": "Erase users?",
            "opts": User._meta,
            "chosen": [(user, async_to_sync(_counts)(user.pk)) for user in chosen],
            "grace_days": get_config().erasure_grace_days,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/accounts/erase.html", context)


async def _ask(user_id: UserId, staff_id: UserId, request: HttpRequest) -> None:
    user = await store.user_by_id(user_id)
    if user is not None:
        await ask_for_erasure(user, device=device_of(request), staff=staff_id)


async def _counts(user_id: UserId) -> list[tuple[str, int]]:
    """How much of the user's there is, place by place."""
    counted = [(place.name.replace("_", " "), await place.count(user_id)) for place in personal_stores() if place.count]
    return [(name, many) for name, many in counted if many]
