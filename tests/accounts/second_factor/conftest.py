"""People with second factors: an app whose clock a test moves, recovery codes, passkeys of a software authenticator."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from accounts.second_factor import codes, totp
from tests.accounts.conftest import PASSWORD, Person
from tests.passkeys import Authenticator

STEP_S = totp.STEP_S


class Clock:
    """The server's time for codes, which stands in the middle of a step until a test moves it."""

    def __init__(self) -> None:
        self.now_s = time.time() // STEP_S * STEP_S + STEP_S / 2

    def __call__(self) -> float:
        return self.now_s

    def go(self, steps: float) -> None:
        self.now_s += steps * STEP_S


class App:
    """An authenticator app with the secret, `fast` by some steps."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self.secret = secret
        self._clock = clock

    def code(self, fast: int = 0) -> str:
        return totp.code_of(self.secret, totp.step_at(self._clock()) + fast)

    def wrong_code(self) -> str:
        """Six digits that no step near by has."""
        near = {self.code(fast) for fast in range(-4, 5)}
        return next(code for code in map(str, range(314_159, 314_179)) if code not in near)


class Owner(Person):
    """Somebody with an app, and ten recovery codes."""

    app: App
    recovery_codes: list[str]

    async def change(self, method: str, path: str, status: int, **body: Any) -> Any:
        """A change that is proved by the password; the answer's JSON."""
        answer = await self.ask(method, path, json={"current_password": PASSWORD, **body})
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def log_in(self, password: str = PASSWORD) -> httpx.Response:
        body = {"email": self.email, "password": password}
        return await self._http.post("/api/v1/auth/login", json=body)

    async def challenge(self) -> str:
        """The first step done: the second one's challenge."""
        answer = await self.log_in()
        assert answer.status_code == 202, answer.text
        token: str = answer.json()["challenge"]
        return token

    async def answer(self, challenge: str, **answer: Any) -> httpx.Response:
        return await self._http.post("/api/v1/auth/second-factor", json={"challenge": challenge, **answer})

    async def add_app(self, clock: Clock) -> list[str]:
        """Set an app up; the recovery codes."""
        pending = await self.change("POST", "me/second-factor/totp", 200)
        self.app = App(pending["secret"], clock)
        confirmed = await self.ask("POST", "me/second-factor/totp/confirm", json={"code": self.app.code()})
        assert confirmed.status_code == 200, confirmed.text
        clock.go(1)
        made: list[str] = confirmed.json()["recovery_codes"]
        return made

    async def add_passkey(self, authenticator: Authenticator, name: str = "Laptop", **proof: Any) -> dict[str, Any]:
        """Register a passkey of the authenticator; the answer."""
        options = (await self.change("POST", "me/passkeys/options", 200, **proof))["options"]
        answer = await self.ask("POST", "me/passkeys", json={"passkey": authenticator.create(options), "name": name})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(codes, "time_s", clock)
    return clock


@pytest.fixture
def somebody(http: httpx.AsyncClient, a_person: Callable[..., Any]) -> Any:
    """Registers somebody new, without a second factor."""

    async def register() -> Owner:
        person = await a_person()
        owner = Owner.__new__(Owner)
        owner.__dict__.update(person.__dict__)
        return owner

    return register


@pytest_asyncio.fixture
async def owner(somebody: Any, clock: Clock) -> Owner:
    """Somebody whose account asks for a code."""
    owner: Owner = await somebody()
    owner.recovery_codes = await owner.add_app(clock)
    return owner


@pytest.fixture
def authenticator(server: str) -> Authenticator:
    """A device whose browser is on our own page."""
    return Authenticator(server)
