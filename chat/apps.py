"""The app's configuration."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Conversations, messages, runs, and the files that go with them."""

    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        """Have the desk road's deletions take files along."""
        from chat.attachments import deletion  # needs the models, which are loaded by now

        deletion.connect()
