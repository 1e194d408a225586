"""How users are made and found on the desk road: the admin, commands, the shell."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import BaseUserManager

from accounts.emails import normalise_email

if TYPE_CHECKING:
    from accounts.models import User


class UserManager(BaseUserManager["User"]):
    """Makes users with a hashed password and a lower-case email.

    Both `create_*` methods raise EmailError when the email is not one, and IntegrityError when it is taken.
    """

    use_in_migrations = True

    def create_user(
        self, email: str, password: str | None = None, *, password_is_given: bool = False, **fields: Any
    ) -> "User":
        """A saved user; without a password nobody can sign in until one is set.

        A password that is given was made up by somebody else, and is to be changed at the first sign-in.
        """
        user = self.model(email=normalise_email(email), **fields)
        user.set_password(password)
        if password_is_given:
            user.mark_password_as_given()
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A saved user who may do everything in the staff console."""
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user with this email in any case; the staff console's sign-in asks here."""
        return self.get(email=(username or "").strip().lower())
