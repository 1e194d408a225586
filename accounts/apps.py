"""The app's configuration."""

from django.apps import AppConfig

from eloquent.foundation import membership


class AccountsConfig(AppConfig):
    """Users, sessions and sign-in."""

    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Watch what the desk road does to users; register the checks, and the places of personal data."""
        from accounts import checks, revocation, store  # noqa: F401 - checks register themselves
        from accounts.audit import staff  # need the models, which are loaded by now
        from accounts.life import desk
        from accounts.personal_data import places
        from accounts.second_factor import console

        revocation.connect()
        staff.connect()
        desk.connect()
        console.connect()
        places.register_places()
        membership.answer_with(store.groups_of, store.names_of_groups)
