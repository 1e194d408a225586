"""A replay server for each test, and the HTTP client closed at the end."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from eloquent.foundation.http import close_http_client
from tests.inference.replay import ReplayServer
from tests.inference.rigs import close_providers


@pytest.fixture(autouse=True)
def quick_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that read byte by byte do not wait for a beat between two bytes."""
    monkeypatch.setattr("inference.beat.EVERY_S", 0.0)


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that nobody has, and no others: neither this machine's nor those of a cloud it may stand in."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "BEDROCK_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest_asyncio.fixture(autouse=True)
async def _providers_closed() -> AsyncIterator[None]:
    yield
    await close_providers()


@pytest_asyncio.fixture
async def replay() -> AsyncIterator[ReplayServer]:
    async with ReplayServer() as server:
        yield server
    # Kept connections would outlive their server.
    await close_http_client()
