"""Bodies on the desk road: bounded in size and time before Django sees a byte of them."""

import asyncio
from typing import Any

import pytest
from django.test import override_settings

from eloquent.desk_road import bounded
from tests.front_door.exchange import Client, exchange, scope_of

LIMIT = 1000


class Desk:
    """A handler that reads as Django's does, and notes what it read."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.heard_leaving = False

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        assert message["more_body"] is False
        self.bodies.append(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
        self.heard_leaving = (await receive())["type"] == "http.disconnect"


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def road(desk: Desk) -> Any:
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=LIMIT):
        yield bounded(desk, timeout_s=0.05)


@pytest.mark.parametrize("frames", [[b"x" * LIMIT], [b"x" * 400, b"", b"x" * 600]])
async def test_a_form_arrives_whole_and_its_client_may_leave(road: Any, desk: Desk, frames: list[bytes]) -> None:
    answer = await exchange(road, "POST", "/admin/login/", [], frames, on_body=lambda client: client.leave())
    assert answer.status == 200
    assert desk.bodies == [b"".join(frames)]
    assert desk.heard_leaving


@pytest.mark.parametrize(
    ("headers", "frames"),
    [([("Content-Length", "1001")], [b"x"]), ([], [b"x" * 1001]), ([], [b"x" * 501] * 2)],
    ids=["announced", "in one", "in pieces"],
)
async def test_what_no_form_sends_is_refused_unread(
    road: Any, desk: Desk, headers: list[tuple[str, str]], frames: list[bytes]
) -> None:
    answer = await exchange(road, "POST", "/admin/login/", headers, frames)
    assert answer.status == 413
    assert answer.body == b"The body is larger than 1000 bytes.\n"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert (answer.header("Content-Security-Policy") or "").startswith("default-src 'none'")
    assert desk.bodies == []


async def test_a_body_that_never_comes_is_given_up(road: Any, desk: Desk) -> None:
    answer = await exchange(road, "POST", "/admin/login/", [], [b"x"], ends_body=False)
    assert answer.status == 408
    assert desk.bodies == []


async def test_who_leaves_before_the_end_is_not_answered(road: Any, desk: Desk) -> None:
    client = Client([b"x"], ends_body=False)
    client.leave()
    async with asyncio.timeout(20):
        await road(scope_of("POST", "/"), client.receive, client.send)
    assert (client.sent, desk.bodies) == ([], [])


async def test_the_front_door_bounds_the_desk_road() -> None:
    from eloquent.asgi import application

    announced = [("Content-Length", "10000000")]
    answer = await exchange(application, "POST", "/admin/login/", announced, [b"x"])
    assert answer.status == 413
