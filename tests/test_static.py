"""Static files as production serves them, and pages that load nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from eloquent.foundation.keys import make_secret, make_signing_key

ROOT = Path(__file__).resolve().parent.parent
COLLECT = """
import sys
from django.core.management import call_command
from django.test import override_settings
import django
django.setup()
with override_settings(STATIC_ROOT=sys.argv[1]):
    call_command("collectstatic", interactive=False, verbosity=0)
"""


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `collectstatic` makes with production's settings."""
    target = tmp_path_factory.mktemp("static")
    settings = {
        "DJANGO_SETTINGS_MODULE": "eloquent.settings",
        "ELOQUENT_ENV": "prod",
        "SECRET_KEY": make_secret(),
        "JWT_PRIVATE_KEY": make_signing_key(),
        "ALLOWED_HOSTS": "api.example.org",
        "PATH": os.environ["PATH"],
    }
    command = [sys.executable, "-c", COLLECT, str(target)]
    subprocess.run(command, cwd=ROOT, env=settings, check=True, capture_output=True)
    return target


def test_every_script_of_the_page_imports_hashed_names(collected: Path) -> None:
    hashed = [path for path in (collected / "chat").rglob("*.js") if re.search(r"\.[0-9a-f]{12}\.js$", path.name)]
    assert len(hashed) > 5
    imported = [
        (path, name)
        for path in hashed
        for name in re.findall(r"""(?:from|import)\s*["'](\.{1,2}/[^"']+)["']""", path.read_text())
    ]
    assert imported
    assert [name for _, name in imported if not re.search(r"\.[0-9a-f]{12}\.js$", name)] == []
    assert [name for path, name in imported if not (path.parent / name).exists()] == []


def test_files_are_compressed(collected: Path) -> None:
    assert list((collected / "chat").rglob("*.css.gz"))


@pytest.mark.parametrize("path", ["/", "/admin/login/", "/api/v1/docs"])
async def test_a_page_loads_nothing_from_elsewhere(server: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=server, follow_redirects=True, timeout=30) as client:
        page = await client.get(path)
        assert page.status_code == 200
        loaded = re.findall(r"""<(?:script|link|img)\b[^>]*?(?:src|href)=["']([^"']+)""", page.text)
        assert loaded
        assert [address for address in loaded if not address.startswith("/")] == []
        for address in loaded:
            assert (await client.get(address)).status_code == 200, address
