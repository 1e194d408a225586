"""The app's configuration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, sessions and sign-in."""

    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Have the desk road's changes to users end their sessions."""
        from accounts import revocation  # needs the models, which are loaded by now

        revocation.connect()
