"""The staff console's pages of users, groups, signed-in devices and API keys."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.forms import UserChangeForm as PlainUserChangeForm
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.decorators import action, display
from unfold.forms import UserChangeForm, UserCreationForm

from accounts.audit.admin import AuditEntryAdmin  # noqa: F401 - registered with the others
from accounts.emails import EmailError, normalise_email
from accounts.life.admin import InvitationAdmin  # noqa: F401 - registered with the others
from accounts.life.desk import tell_of_new_email
from accounts.models import ApiKey, Session, User
from accounts.personal_data import screens as _screens  # noqa: F401 - registers its pages
from accounts.personal_data.desk import ErasesUsers
from accounts.revocation import revoke_api_key, revoke_session
from accounts.session_life import longest_life
from accounts.staff_password import GivenPasswordForm
from eloquent.foundation.clock import now
from eloquent.mongodb.changelists import HistoryAdmin, IndexedAdmin, is_superuser

SESSION_SECRETS = ("refresh_hash", "previous_hash", "lineage_hash", "successor")


class _OneSpelling:
    """Stores the email in its one form before it is looked up, so that a taken one is said at the field."""

    def clean_email(self) -> str:
        try:
            return normalise_email(self.cleaned_data["email"])  # type: ignore[attr-defined]
        except EmailError as error:
            raise ValidationError(str(error)) from error


class NewUserForm(_OneSpelling, UserCreationForm):
    """A new user: email, name and password."""

    class Meta(BaseUserCreationForm.Meta):
        model = User
        fields = ("email", "name")
        field_classes = {}


class ChangedUserForm(_OneSpelling, UserChangeForm):
    """A user as staff may change them; the password has a page of its own."""

    class Meta(PlainUserChangeForm.Meta):
        model = User
        field_classes = {}


@admin.register(User)
class PeopleAdmin(ErasesUsers, IndexedAdmin, UserAdmin):  # type: ignore[type-arg]  # only while types are checked
    """Users. Only superusers hand out rights: whoever could give them could take all of them."""

    form = ChangedUserForm
    add_form = NewUserForm
    change_password_form = GivenPasswordForm
    list_display = ("email", "name", "is_staff", "is_active", "created_at", "is_email_verified", "deactivated_by")
    list_filter = ("is_staff", "is_active")
    search_fields = ("email", "name")
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    filter_horizontal = ("groups", "user_permissions")
    readonly_fields = ("created_at", "last_login", "email_verified_at", "password_expires_at", "token_version")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        (
            "Access",
            {"fields": ("is_active", "deactivated_by", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        ("History", {"fields": readonly_fields}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "name", "password1", "password2")}),)
    actions = ("vouch_for_email", "erase")

    @display(description="Email verified", boolean=True)
    def is_email_verified(self, user: User) -> bool:
        """Whether somebody proved that they read its letters."""
        return user.email_verified_at is not None

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save; an email that staff have typed is not proven, and both addresses are written to.

        A new user's password is one that was given.
        """
        if not change:
            obj.mark_password_as_given()
        old = form.initial.get("email", "")
        is_new_email = change and "email" in form.changed_data and obj.email != old
        if is_new_email:
            obj.email_verified_at = None
        super().save_model(request, obj, form, change)
        if is_new_email:
            tell_of_new_email(obj, old=old)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        """A password for somebody else; one's own is changed where the old one is asked for."""
        if unquote(id) == str(request.user.pk):
            return redirect("admin:password_change")
        return super().user_change_password(request, id, form_url)

    def has_vouch_permission(self, request: HttpRequest) -> bool:
        """Superusers: whoever is vouched for need not read their letters."""
        return is_superuser(request)

    @action(description="Vouch for the email: take it for verified", permissions=["vouch"])
    def vouch_for_email(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """The emails of the chosen users count as proven, where no letter can do it."""
        vouched = [user for user in queryset if user.email_verified_at is None]
        User.objects.filter(pk__in=[user.pk for user in vouched]).update(email_verified_at=now())
        for user in vouched:
            self.log_change(request, user, "Vouched for the email.")
        many = len(vouched)
        self.message_user(request, f"{many} email{'s' * (many != 1)} taken for verified.", messages.SUCCESS)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Rights, too, for staff who are not superusers."""
        fields = tuple(super().get_readonly_fields(request, obj))
        rights = ("is_staff", "is_superuser", "groups", "user_permissions")
        return fields if is_superuser(request) else (*fields, *rights)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """As granted, but other staff's accounts, their passwords above all, are for superusers: rights come along."""
        others = obj is not None and obj.pk != request.user.pk and (obj.is_staff or obj.is_superuser)
        if others and not is_superuser(request):
            return False
        return bool(super().has_change_permission(request, obj))


def _say_revoked(page: HistoryAdmin, request: HttpRequest, ended: list[Any], what: str) -> None:
    """Tell the log and the staff member which of the chosen are over now."""
    for each in ended:
        page.log_change(request, each, "Revoked.")
    page.message_user(request, f"{len(ended)} {what}{'s' * (len(ended) != 1)} revoked.", messages.SUCCESS)


admin.site.unregister(Group)


@admin.register(Group)
class RightsAdmin(IndexedAdmin, GroupAdmin):
    """Groups of rights; for superusers, as rights are."""

    sortable_by = ("name",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Superusers."""
        del obj
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Superusers."""
        del obj
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Superusers."""
        del obj
        return self.has_module_permission(request)


@admin.register(Session)
class SessionAdmin(HistoryAdmin):
    """Signed-in devices: looked at, and revoked. Their secrets are not shown."""

    list_display = ("label_or_agent", "user", "ip", "state", "last_seen_at", "created_at")
    list_prefetch = ("user",)
    search_fields = ("ip", "label")
    search_help_text = "An email, an id, an IP address or a device"
    owner_field = "user"
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    fields = (
        *("user", "label", "user_agent", "ip", "country", "city", "signed_in_with", "state"),
        *("created_at", "last_seen_at", "expires_at", "revoked_at"),
    )
    readonly_fields = fields
    actions = ("revoke",)

    @display(description="Device")
    def label_or_agent(self, session: Session) -> str:
        """What names the device best."""
        return session.label or session.user_agent[:40] or "unknown"

    @display(description="State", label={"living": "success", "revoked": "danger", "expired": "warning"})
    def state(self, session: Session) -> str:
        """Whether it still lets anyone in."""
        if session.revoked_at is not None:
            return "revoked"
        return "living" if min(session.expires_at, session.created_at + longest_life()) > now() else "expired"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Not by a secret: whoever may ask how it begins can find it out."""
        return not lookup.startswith(SESSION_SECRETS) and bool(super().lookup_allowed(lookup, value, request))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Staff with the right to change sessions, which here means to end them."""
        user: Any = request.user
        return bool(user.has_perm("accounts.change_session"))

    @action(description="Revoke: sign these devices out", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """Ends the chosen sessions within a second and closes their sockets."""
        ended = [session for session in queryset if revoke_session(session, by=request.user.pk)]
        _say_revoked(self, request, ended, "session")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody on its own; it goes with its user."""
        del request, obj
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(HistoryAdmin):
    """Keys of users' programs: looked at, and revoked. Of the key itself there is only how it begins."""

    list_display = ("name", "prefix", "user", "may", "state", "requests_per_minute", "last_used_at", "created_at")
    list_prefetch = ("user",)
    search_fields = ("prefix", "name")
    search_help_text = "An email, an id, how the key begins or its name"
    owner_field = "user"
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    fields = (
        "user",
        "name",
        "prefix",
        "may",
        "requests_per_minute",
        "state",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    readonly_fields = fields
    actions = ("revoke",)

    @display(description="Scopes")
    def may(self, key: ApiKey) -> str:
        """What it may be used for."""
        return ", ".join(key.scopes)

    @display(description="State", label={"living": "success", "revoked": "danger", "expired": "warning"})
    def state(self, key: ApiKey) -> str:
        """Whether it still lets anyone in."""
        if key.revoked_at is not None:
            return "revoked"
        return "living" if key.expires_at is None or key.expires_at > now() else "expired"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Not by the hash: whoever may ask how it begins can find it out."""
        return not lookup.startswith("hash") and bool(super().lookup_allowed(lookup, value, request))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Staff with the right to change keys, which here means to revoke them."""
        user: Any = request.user
        return bool(user.has_perm("accounts.change_apikey"))

    @action(description="Revoke: refuse these keys", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """The chosen keys are refused within a second."""
        revoked = [key for key in queryset if revoke_api_key(key, by=request.user.pk)]
        _say_revoked(self, request, revoked, "API key")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody on its own; it goes with its user."""
        del request, obj
        return False
