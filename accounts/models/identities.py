"""What people are called by providers of OpenID Connect, and sign-ins that are under way there."""

from django.db import models
from django.utils import timezone

from accounts.models.sessions import Session
from accounts.models.users import User
from eloquent.mongodb.indexes import TTLIndex


class ExternalIdentity(models.Model):
    """A provider's name for a user: `subject` is theirs for good at this issuer, the email is what it last said."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities", db_index=False)
    issuer = models.CharField(max_length=500, editable=False)
    subject = models.CharField(max_length=255, editable=False)
    email = models.CharField(max_length=254, blank=True, default="", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "external_identities"
        ordering = ("-created_at", "-id")
        verbose_name_plural = "external identities"
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="external_identities_subject")]
        indexes = [models.Index(fields=["user", "created_at", "id"], name="external_identities_of_user")]

    def __str__(self) -> str:
        return self.email or self.subject


class OpenidAttempt(models.Model):
    """A sign-in, or a link to a signed-in user, that is under way at a provider. Taking it deletes it.

    `hash` is of the state, `browser_hash` of the cookie of the browser that began. Nothing follows a deletion of the
    user or the session: the server deletes it within minutes anyway.
    """

    hash = models.CharField(max_length=64, unique=True, editable=False)
    browser_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    provider = models.CharField(max_length=24, editable=False)
    # Nonce and PKCE verifier.
    sealed = models.CharField(max_length=1000, editable=False)
    redirect_uri = models.CharField(max_length=2000, editable=False)
    next_url = models.CharField(max_length=2000, editable=False)
    # The frontend's own PKCE challenge, when it collects the result itself.
    code_challenge = models.CharField(max_length=43, blank=True, default="", editable=False)
    # Whom to link to, and the session that asked for it.
    user = models.ForeignKey(User, on_delete=models.DO_NOTHING, related_name="+", db_index=False, null=True)
    session = models.ForeignKey(Session, on_delete=models.DO_NOTHING, related_name="+", db_index=False, null=True)
    expires_at = models.DateTimeField(editable=False)

    class Meta:
        db_table = "openid_attempts"
        default_permissions = ()
        indexes = [TTLIndex(fields=["expires_at"], name="openid_attempts_expired")]

    def __str__(self) -> str:
        return str(self.pk)


class OpenidResult(models.Model):
    """Who somebody turned out to be, until the page that asked collects it with a one-use code. Taking it deletes it.

    With a session it is an identity to be linked to that session's user; without one it is a user to be let in.
    """

    hash = models.CharField(max_length=64, unique=True, editable=False)
    provider = models.CharField(max_length=24, editable=False)
    user = models.ForeignKey(User, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    session = models.ForeignKey(Session, on_delete=models.DO_NOTHING, related_name="+", db_index=False, null=True)
    browser_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    code_challenge = models.CharField(max_length=43, blank=True, default="", editable=False)
    issuer = models.CharField(max_length=500, blank=True, default="", editable=False)
    subject = models.CharField(max_length=255, blank=True, default="", editable=False)
    email = models.CharField(max_length=254, blank=True, default="", editable=False)
    expires_at = models.DateTimeField(editable=False)

    class Meta:
        db_table = "openid_results"
        default_permissions = ()
        indexes = [
            models.Index(fields=["user"], name="openid_results_of_user"),
            TTLIndex(fields=["expires_at"], name="openid_results_expired"),
        ]

    def __str__(self) -> str:
        return str(self.pk)
