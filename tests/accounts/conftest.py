"""A client of the real server, and accounts made through it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from accounts import throttle
from accounts.limits import gate, levels, reaching

PASSWORD = "correct horse battery staple"


class Person:
    """A registered user with one session, and a client that speaks for it."""

    def __init__(self, http: httpx.AsyncClient, grant: dict[str, Any]) -> None:
        self._http = http
        self.use(grant)

    def use(self, grant: dict[str, Any]) -> None:
        """Go on with these tokens."""
        self.id: str = grant["user"]["id"]
        self.email: str = grant["user"]["email"]
        self.access_token: str = grant["access_token"]
        self.refresh_token: str = grant.get("refresh_token", "")

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request with this person's access token."""
        headers = {"Authorization": f"Bearer {self.access_token}", **options.pop("headers", {})}
        return await self._http.request(method, f"/api/v1/{path}", headers=headers, **options)

    async def sign_in_again(self, **headers: str) -> "Person":
        """Another device of the same user."""
        answer = await self._http.post(
            "/api/v1/auth/login", json={"email": self.email, "password": PASSWORD}, headers=headers
        )
        assert answer.status_code == 200, answer.text
        return Person(self._http, answer.json())

    async def refresh(self) -> httpx.Response:
        """Exchange the refresh token; this person keeps the old one."""
        return await self._http.post("/api/v1/auth/refresh", json={"refresh_token": self.refresh_token})


@pytest.fixture(autouse=True)
def _fresh_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    throttle.forget_all()
    gate.forget_all()
    levels.forget_all()
    # A Redis that is only slow would leave the rest to the process, which begins its counts anew.
    monkeypatch.setattr(reaching, "ANSWER_S", 20.0)
    monkeypatch.setattr(reaching._Redis, "ask_again_at", 0.0)


@pytest_asyncio.fixture
async def http(server: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server, timeout=30) as client:
        yield client


@pytest.fixture
def a_person(http: httpx.AsyncClient) -> Any:
    """Registers somebody new."""

    async def register(**fields: Any) -> Person:
        email = f"{uuid4().hex[:12]}@example.org"
        answer = await http.post("/api/v1/auth/register", json={"email": email, "password": PASSWORD, **fields})
        assert answer.status_code == 201, answer.text
        return Person(http, answer.json())

    return register
