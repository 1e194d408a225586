"""Which settings the application reads, and which of them are secrets: read in its source.

`eloquent/foundation/config` cannot be imported here: what it needs is not installed where templates are written.
`tests/deploy/test_parameters.py` imports it, and compares.
"""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

SAID_BY_THE_TASK: Final = frozenset(
    {
        "AWS_REGION",
        "CONFIG_SOURCE",
        "ELOQUENT_ENV",
        "ELOQUENT_RELEASE",
        "HOST",
        "METRICS_FORMAT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_SERVICE_NAME",
        "PORT",
        "PRODUCTION_RULES",
    }
)
"""Those that `parts/task.py` gives a value, or leaves as it is. ECS takes no task that is told one of them twice."""

_SOURCE: Final = Path(__file__).parent.parent / "eloquent" / "foundation" / "config"


@cache
def application_settings() -> Mapping[str, bool]:
    """Every setting by its name in the environment, and whether it is a secret."""
    return {
        field.target.id.upper(): "SecretStr" in ast.unparse(field.annotation)
        for module in sorted(_SOURCE.glob("*.py"))
        for kind in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(kind, ast.ClassDef) and kind.name.endswith("Settings")
        for field in kind.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
