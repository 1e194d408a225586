"""The app's configuration."""

from django.apps import AppConfig

from eloquent.foundation import membership


class AccountsConfig(AppConfig):
    """Users, sessions and sign-in."""

    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Have the desk road's changes to users end their sessions; register the checks."""
        from accounts import checks as _checks  # noqa: F401 - importing registers them
        from accounts import revocation, store
        from accounts.audit import staff  # need the models, which are loaded by now

        revocation.connect()
        staff.connect()
        membership.answer_with(store.groups_of, store.names_of_groups)
