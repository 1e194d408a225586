"""A provider that does as told, named in the settings, and browsers that sign in there."""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from accounts.openid.published import forget_published
from eloquent.foundation.config import get_config
from tests.documented import is_documented
from tests.fakes.openid import FakeProvider, openid_provider


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Changes settings, by their names, for the length of a test."""

    def configure(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        get_config.cache_clear()

    yield configure
    monkeypatch.undo()
    get_config.cache_clear()
    forget_published()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _provider() -> AsyncIterator[FakeProvider]:
    async with openid_provider() as fake:
        yield fake


@pytest.fixture
def provider(_provider: FakeProvider, configured: Callable[..., None]) -> FakeProvider:
    """The provider named `example`, which is trusted and registers people."""
    _provider.be_good()
    _provider.asked.clear()
    _provider.sent.clear()
    _provider.unfreeze.clear()
    named(configured, _provider, trusts_email=True, registers=True)
    return _provider


def named(configured: Callable[..., None], fake: FakeProvider, **changes: Any) -> None:
    """Have the settings name the provider as `example`."""
    configured(OPENID_PROVIDERS=json.dumps({"example": {**fake.setting, **changes}}))


class Browser:
    """A browser: it keeps cookies and follows redirects as far as it is told."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.http = httpx.AsyncClient(timeout=20, event_hooks={"response": [is_documented]})

    async def start(self, **query: str) -> str:
        """Press the button; the provider's page that it is sent to."""
        answer = await self.http.get(f"{self.server}/api/v1/auth/openid/example/start", params=query)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def agree(self, page: str) -> str:
        """Sign in at the provider's page; the address of ours that it sends back to."""
        answer = await self.http.get(page)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def come_back(self, address: str) -> httpx.Response:
        """Open our address; the redirect."""
        answer = await self.http.get(address)
        assert answer.status_code == 302, answer.text
        return answer

    async def sign_in(self, **query: str) -> httpx.Response:
        """All of it; the last redirect."""
        return await self.come_back(await self.agree(await self.start(**query)))

    async def me(self) -> dict[str, Any] | None:
        """Who is signed in here by the refresh cookie; None for nobody."""
        answer = await self.http.post(
            f"{self.server}/api/v1/auth/refresh", json={"cookie": True}, headers={"Origin": self.server}
        )
        if answer.status_code == 401:
            return None
        assert answer.status_code == 200, answer.text
        user: dict[str, Any] = answer.json()["user"]
        return user


@pytest_asyncio.fixture
async def a_browser(server: str) -> AsyncIterator[Callable[[], Browser]]:
    """Makes browsers, each with its own cookies."""
    made: list[Browser] = []

    def another() -> Browser:
        made.append(Browser(server))
        return made[-1]

    yield another
    for browser in made:
        await browser.http.aclose()


@pytest.fixture
def browser(a_browser: Callable[[], Browser]) -> Browser:
    """One of them."""
    return a_browser()


def told_in(answer: httpx.Response) -> dict[str, str]:
    """What a redirect tells its page behind `#`."""
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).fragment).items()}


def pkce() -> tuple[str, str]:
    """A verifier, and its challenge."""
    verifier = secrets.token_urlsafe(48)
    return verifier, base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
