"""A replay server for each test, and the HTTP client closed at the end."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from eloquent.foundation.http import close_http_client
from tests.inference.replay import ReplayServer


@pytest.fixture(autouse=True)
def quick_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that read byte by byte do not wait for a beat between two bytes."""
    monkeypatch.setattr("inference.beat.EVERY_S", 0.0)


@pytest_asyncio.fixture
async def replay() -> AsyncIterator[ReplayServer]:
    async with ReplayServer() as server:
        yield server
    # Kept connections would outlive their server.
    await close_http_client()
