"""Second factors: authenticator apps, recovery codes, passkeys, and what a sign-in waits for between its two steps."""

from django.db import models
from django.utils import timezone
from django_mongodb_backend.fields import ArrayField

from accounts.models.users import User
from eloquent.mongodb.indexes import TTLIndex


class SecondFactor(models.Model):
    """A user's authenticator app and recovery codes; there is none for a user who has no second factor.

    The secrets of apps are sealed, recovery codes are hashed. `guesses` are the moments of wrong codes, newest first,
    the first of them made with the password that `guesses_version` stands for.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="second_factor", editable=False)
    totp_secret = models.TextField(blank=True, default="", editable=False)
    totp_added_at = models.DateTimeField(null=True, blank=True, editable=False)
    # A code is good once: those of this time step, and of the steps before it, are used up.
    totp_last_step = models.BigIntegerField(default=0, editable=False)
    pending_secret = models.TextField(blank=True, default="", editable=False)
    pending_until = models.DateTimeField(null=True, blank=True, editable=False)
    recovery_codes = ArrayField(models.CharField(max_length=64), default=list, blank=True, editable=False)
    recovery_made_at = models.DateTimeField(null=True, blank=True, editable=False)
    guesses = ArrayField(models.DateTimeField(), default=list, blank=True, editable=False)
    guesses_version = models.PositiveIntegerField(default=0, editable=False)
    # When they were last forgotten because the password had changed.
    guesses_forgiven_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "second_factors"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)


class Passkey(models.Model):
    """A WebAuthn credential: a key pair whose private half never leaves the user's device. Texts are base64url."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys", db_index=False)
    credential_id = models.CharField(max_length=1400, unique=True, editable=False)
    public_key = models.TextField(editable=False)
    sign_count = models.BigIntegerField(default=0, editable=False)
    transports = ArrayField(models.CharField(max_length=32), default=list, blank=True, editable=False)
    # Kept in its maker's cloud, so that it survives the device.
    backed_up = models.BooleanField(default=False, editable=False)
    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When its counter went backwards: there may be a copy of it.
    cloned_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "passkeys"
        ordering = ("-created_at", "-id")
        default_permissions = ()
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="passkeys_of_user")]

    def __str__(self) -> str:
        return self.name


class SignInChallenge(models.Model):
    """Somebody proved to be the user, and is now asked for the second factor. Its token is stored hashed.

    Nothing follows a deletion of its user: the server deletes it within minutes anyway, and without them it lets
    nobody in.
    """

    hash = models.CharField(max_length=64, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    # A change of password ends what was begun with the one before it.
    token_version = models.PositiveIntegerField(editable=False)
    proof = models.CharField(max_length=30, editable=False)
    address = models.CharField(max_length=45, blank=True, default="", editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(editable=False)

    class Meta:
        db_table = "sign_in_challenges"
        default_permissions = ()
        indexes = [
            models.Index(fields=["user"], name="sign_in_challenges_of_user"),
            TTLIndex(fields=["expires_at"], name="sign_in_challenges_expired"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class PasskeyChallenge(models.Model):
    """What a passkey is to sign, once. `purpose` and `bound_to` say for which ceremony, so that none serves another."""

    challenge = models.CharField(max_length=128, unique=True, editable=False)
    purpose = models.CharField(max_length=20, editable=False)
    bound_to = models.CharField(max_length=64, blank=True, default="", editable=False)
    expires_at = models.DateTimeField(editable=False)

    class Meta:
        db_table = "passkey_challenges"
        default_permissions = ()
        indexes = [TTLIndex(fields=["expires_at"], name="passkey_challenges_expired")]

    def __str__(self) -> str:
        return str(self.pk)
