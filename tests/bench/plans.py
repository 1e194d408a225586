"""What a side of the comparison gives the client: requests as bytes, and what must come back for each."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

Wire = Literal["http", "socket"]
ListName = Literal["conversations", "messages"]


@dataclass(frozen=True, slots=True)
class UserPlan:
    """One user: where he comes from, his socket's handshake, and his requests with what is expected of each."""

    source: str
    exchanges: list[tuple[str, str]]
    handshake: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """One go of the client. See `tests.bench.client`."""

    wire: Wire
    dialect: str
    port: int
    users: list[UserPlan]
    warm_up: int
    stagger_s: float = 0.0

    @property
    def measured(self) -> int:
        """How many exchanges are measured."""
        return sum(len(user.exchanges) - self.warm_up for user in self.users)

    def line(self) -> str:
        """As the client reads it."""
        return json.dumps(asdict(self)) + "\n"


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked for: each user's measured requests come after the unmeasured ones."""

    requests: int
    warm_up: int = 1
    stagger_s: float = 0.0

    @property
    def each(self) -> int:
        """A user's requests, warm-up and all."""
        return self.requests + self.warm_up

    def model_of(self, number: int, model: str) -> str:
        """The language model of a user's request: a warm-up need not wait for a slow one."""
        return "bench-burst" if number < self.warm_up else model


class Side(Protocol):
    """A server under test."""

    name: str
    pid: int

    def answers(self, wire: Wire, model: str, load: Load) -> Plan:
        """Every request asks for an answer in a conversation of its own."""

    def lists(self, name: ListName, load: Load) -> Plan:
        """Every request reads 30 items."""

    def not_saved(self) -> list[str]:
        """What is wrong in the database with the answers given since the last call: a sentence for each."""


def source_of(user: int) -> str:
    """The loopback address that a user comes from: each his own, as people do."""
    return f"127.0.{user // 200}.{user % 200 + 11}"


def http_request(method: str, path: str, port: int, *, headers: dict[str, str] | None = None, body: Any = None) -> str:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    text = "" if body is None else json.dumps(body)
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(text.encode())}"]
    return "\r\n".join([*lines, "", text])


def handshake(path: str, port: int, *, headers: dict[str, str] | None = None) -> str:
    """A websocket's opening request. No compression is offered, so none is paid for on either side."""
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    return http_request("GET", path, port, headers=upgrade | (headers or {}))
