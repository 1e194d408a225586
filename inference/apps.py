"""The app's configuration: its checks are registered when Django starts."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    """Language models."""

    name = "inference"
    verbose_name = "Language models"

    def ready(self) -> None:
        """Register the checks of settings, and where personal data lie."""
        from inference import (
            checks,  # noqa: F401  (importing registers them; not before the apps are loaded)
            personal_data,  # as above
        )

        personal_data.register_places()
