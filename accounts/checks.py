"""What `manage.py check --deploy` says of accounts."""

from typing import Any

from django.core import checks

from eloquent.foundation.config import get_config


@checks.register(checks.Tags.security, deploy=True)
def staff_have_a_second_factor(**_options: Any) -> list[checks.CheckMessage]:
    """A warning when, in staging or production, a password alone opens the staff console."""
    config = get_config()
    if not config.strict or config.staff_second_factor:
        return []
    return [
        checks.Warning(
            "A password alone opens the staff console to staff who have set up no second factor.",
            hint="Set STAFF_SECOND_FACTOR=true.",
            id="accounts.W001",
        )
    ]
