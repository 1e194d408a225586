"""Keys that sign access tokens, made by `manage.py jwt`."""

from django.db import models
from django.utils import timezone


class SigningKey(models.Model):
    """A key in its place among the others. `accounts.key_schedule` says which of them signs, and which verify.

    The private key is sealed with one made from SECRET_KEY. Nothing is sealed for a key that comes from the
    configuration: its row says no more than when it retires, or that it was revoked.
    """

    # The order of the keys: a later one takes over from an earlier one.
    number = models.PositiveIntegerField(unique=True, editable=False)
    kid = models.CharField(max_length=43, unique=True, editable=False)
    public_pem = models.TextField(editable=False)
    sealed = models.TextField(blank=True, default="", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Published and verified with from its beginning, signed with from here on.
    signs_from = models.DateTimeField(editable=False)
    # Verified with until then; None for the last of them.
    retires_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "signing_keys"
        ordering = ("number",)
        default_permissions = ()

    def __str__(self) -> str:
        return self.kid
