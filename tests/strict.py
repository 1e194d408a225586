"""The settings of production, for a process of its own: they are read once, when a process starts."""

import os
import subprocess
import sys
from pathlib import Path

from eloquent.embedded.programs import PROJECT
from eloquent.foundation.keys import make_secret, make_signing_key

HOST = "api.example.org"


def strict_settings(state_dir: Path, **more: str) -> dict[str, str]:
    """An environment in which the project starts as it would in production."""
    return {
        "ELOQUENT_ENV": "prod",
        "ELOQUENT_STATE_DIR": str(state_dir),
        "SECRET_KEY": make_secret(),
        "JWT_PRIVATE_KEY": make_signing_key(),
        "ALLOWED_HOSTS": HOST,
        "TRUSTED_PROXY_HOPS": "1",
        "STAFF_SECOND_FACTOR": "true",
        "MONGODB_URI": os.environ["MONGODB_URI"],
        "REDIS_URL": os.environ["REDIS_URL"],
        "OLLAMA_HOST": "http://127.0.0.1:11434",
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "eloquent.settings",
        **more,
    }


def run_strictly(program: str, settings: dict[str, str]) -> str:
    """What a Python program prints, with Django set up in production's way."""
    code = f"import django\ndjango.setup()\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
