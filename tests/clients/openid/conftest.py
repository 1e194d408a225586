"""A certified provider under Node, and a person who fills its forms in."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import pytest_asyncio

from tests.accounts.openid.conftest import Browser, a_browser, browser, configured
from tests.clients.ui.node import node_path

__all__ = ["Browser", "a_browser", "browser", "configured"]

HERE = Path(__file__).parent
SECRET = "a:secret with 100% +"


def client(server: str, name: str, **changes: Any) -> dict[str, Any]:
    """We as a client of the provider's, who know it as `name`."""
    return {
        "client_id": f"eloquent-{name}",
        "client_secret": SECRET,
        "redirect_uris": [f"{server}/api/v1/auth/openid/{name}/callback"],
        "backchannel_logout_uri": f"{server}/api/v1/auth/openid/{name}/backchannel-logout",
        **changes,
    }


@asynccontextmanager
async def running_provider(clients: list[dict[str, Any]]) -> AsyncIterator[str]:
    """Its issuer, while it runs."""
    process = await asyncio.create_subprocess_exec(
        str(node_path()),
        "provider.mjs",
        json.dumps(clients),
        cwd=HERE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(40):
            issuer = (await process.stdout.readline()).decode().strip()
        assert issuer, "it did not start: see above"
        yield issuer
    finally:
        process.stdin.close()
        async with asyncio.timeout(10):
            await process.wait()


class Visitor(Browser):
    """A browser whose owner fills forms in."""

    async def agree(self, page: str, login: str = "ada") -> str:
        """Sign in at the provider's page and agree; the address of ours that it sends back to."""
        answer = await self.http.get(page)
        for _ in range(12):
            if answer.is_redirect:
                address = urljoin(str(answer.url), answer.headers["location"])
                if address.startswith(self.server):
                    return address
                answer = await self.http.get(address)
                continue
            assert answer.status_code == 200, answer.text
            fields = dict(re.findall(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"', answer.text))
            fields |= {"login": login, "password": "any"} if 'name="login"' in answer.text else {}
            action = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            assert action is not None, answer.text
            answer = await self.http.post(urljoin(str(answer.url), action[1]), data=fields)
        raise AssertionError("the provider asks without end")


@pytest_asyncio.fixture
async def visitor(server: str) -> AsyncIterator[Visitor]:
    """Somebody."""
    one = Visitor(server)
    yield one
    await one.http.aclose()


Named = Callable[..., None]


@pytest.fixture
def named(configured: Callable[..., None]) -> Named:
    """Has the settings name the provider as `example`."""

    def name(issuer: str, **changes: Any) -> None:
        entry = {"issuer": issuer, "client_id": "eloquent-example", "client_secret": SECRET, "title": "Example"}
        trusted = {"trusts_email": True, "registers": True}
        configured(OPENID_PROVIDERS=json.dumps({"example": {**entry, **trusted, **changes}}))

    return name
