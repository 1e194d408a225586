"""The app's configuration."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Conversations, messages, runs, and the files that go with them."""

    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        """Have the desk road's deletions take files along, and an account that closes stop its answers."""
        from accounts.life.closing import when_closed  # these need the models, which are loaded by now
        from chat import runs
        from chat.attachments import deletion

        deletion.connect()
        when_closed(runs.stop_runs_of)
