"""The staff console's page of invitations: made, looked at, withdrawn. A token is shown once and stored nowhere."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminIntegerFieldWidget

from accounts.emails import EmailError, normalise_email
from accounts.life.invitations import DAYS, MOST_DAYS, invite, why_not
from accounts.models import Invitation
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.mongodb.changelists import HistoryAdmin, is_superuser


class NewInvitationForm(forms.ModelForm):  # type: ignore[type-arg]  # only while types are checked
    """Whom to invite, for how long."""

    email = forms.EmailField(
        required=False,
        widget=UnfoldAdminEmailInputWidget,
        help_text="A letter goes there, and nobody else can use the invitation. Empty: for whoever has the link.",
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=MOST_DAYS,
        initial=DAYS,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="It expires then.",
    )

    class Meta:
        model = Invitation
        fields = ("email", "group")

    def clean_email(self) -> str:
        """The email in its stored form; empty stays empty."""
        email: str = self.cleaned_data["email"]
        try:
            return normalise_email(email) if email else ""
        except EmailError as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """What was filled in, when the invitation could be used."""
        cleaned: dict[str, Any] = super().clean() or {}
        if reason := why_not(cleaned.get("email", "")):
            raise ValidationError(reason)
        return cleaned


@admin.register(Invitation)
class InvitationAdmin(HistoryAdmin):
    """Invitations. Into which group is for superusers to say: rights come with it.

    To register by an invitation that was sent to an email proves it. So its link is shown to superusers alone, who may
    vouch for an email anyway.
    """

    list_display = ("whom", "state", "group", "invited_by", "used_by", "expires_at", "created_at")
    list_prefetch = ("group", "invited_by", "used_by")
    search_fields = ("email",)
    search_help_text = "An email, or an id"
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    fields = ("whom", "state", "group", "invited_by", "created_at", "expires_at", "used_at", "used_by")
    readonly_fields = fields
    actions = ("withdraw",)

    @display(description="For")
    def whom(self, invitation: Invitation) -> str:
        """Its email, or that it is for anybody."""
        return invitation.email or "whoever has the link"

    @display(description="State", label={"open": "success", "used": "info", "expired": "warning"})
    def state(self, invitation: Invitation) -> str:
        """Whether it can be used."""
        if invitation.used_at is not None:
            return "used"
        return "open" if invitation.expires_at > now() else "expired"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Not by the hash: whoever may ask how it begins can find it out."""
        return not lookup.startswith("hash") and bool(super().lookup_allowed(lookup, value, request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Staff with the right to add invitations."""
        user: Any = request.user
        return bool(user.has_perm("accounts.add_invitation"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """The form of a new one; one that is there is only looked at."""
        if obj is None:
            options["form"] = NewInvitationForm
        return super().get_form(request, obj, change, **options)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Of a new one, its group for superusers alone."""
        if obj is not None:
            return super().get_fields(request, obj)
        return ("email", "group", "days") if is_superuser(request) else ("email", "days")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything but of a new one."""
        return () if obj is None else super().get_readonly_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        """Make it, and keep its address for the page that is shown next and never again."""
        del change
        group = form.cleaned_data.get("group")
        made, address = invite(
            email=form.cleaned_data["email"],
            group_id=None if group is None else group.pk,
            days=form.cleaned_data["days"],
            invited_by=request.user.pk,
        )
        obj.__dict__.update(made.__dict__)
        sent = bool(made.email) and get_config().sends_mail
        request.invitation_address = "" if sent and not is_superuser(request) else address  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None) -> HttpResponse:
        """The page with the link, if it may be seen, which is in no cookie and no address on its way there."""
        del post_url_continue
        context = {
            **self.admin_site.each_context(request),
            "title": "Invitation made",
            "invitation": obj,
            "address": request.invitation_address,  # type: ignore[attr-defined]
            "opts": self.opts,
        }
        headers = {"Cache-Control": "no-store"}
        return TemplateResponse(request, "accounts/invitation_made.html", context, headers=headers)

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        """Whoever may invite."""
        return self.has_add_permission(request)

    @action(description="Withdraw: nobody can use these any more", permissions=["withdraw"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        """The chosen ones that are open expire now."""
        withdrawn = [
            each
            for each in queryset
            if Invitation.objects.filter(pk=each.pk, used_at__isnull=True, expires_at__gt=now()).update(
                expires_at=now()
            )
        ]
        for each in withdrawn:
            self.log_change(request, each, "Withdrawn.")
        many = len(withdrawn)
        self.message_user(request, f"{many} invitation{'s' * (many != 1)} withdrawn.", messages.SUCCESS)
