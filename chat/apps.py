"""The app's configuration."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """Conversations, messages, runs, and the files that go with them."""

    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        """Have the desk road's deletions take files along; say where personal data lie."""
        from chat import personal_data  # needs the models, which are loaded by now
        from chat.attachments import deletion  # as above

        deletion.connect()
        personal_data.register_places()
