"""Request bodies: large, in pieces, late."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eloquent.reception import RoadRequest
from eloquent.surplus import Surplus
from tests.front_door.exchange import Client, exchange, scope_of

LIMIT = 1000


@pytest.fixture
def limited(bare_urls: None) -> Any:
    from eloquent.handlers import AsyncHandler
    from eloquent.middleware import problem_response

    return AsyncHandler(
        max_body_bytes=LIMIT,
        larger_bodies=dict.fromkeys(["/api/length-of-more", "/api/stream"], 3 * LIMIT),
        body_timeout_s=0.05,
        exception_response=problem_response,
    )


async def test_a_body_of_many_small_frames_arrives_whole(handler: Any) -> None:
    answer = await exchange(handler, "POST", "/api/length", [], [b"\x01"] * 20_000)
    assert json.loads(answer.body) == {"length": 20_000, "sum": 20_000}


async def test_a_body_without_an_announced_length_is_read_to_its_end(handler: Any) -> None:
    answer = await exchange(handler, "POST", "/api/length", [("Transfer-Encoding", "chunked")], [b"a" * 70, b"", b"b"])
    assert json.loads(answer.body)["length"] == 71


@pytest.mark.parametrize("length", [0, 1, LIMIT - 1, LIMIT])
@pytest.mark.parametrize("frames", [1, 3])
async def test_a_body_up_to_the_limit_is_taken(limited: Any, length: int, frames: int) -> None:
    body = b"x" * length
    pieces = [body] if frames == 1 else [body[: length // 2], body[length // 2 :], b""]
    answer = await exchange(limited, "POST", "/api/length", [("Content-Length", str(length))], pieces)
    assert (answer.status, json.loads(answer.body)["length"]) == (200, length)


@pytest.mark.parametrize(
    ("headers", "frames"),
    [
        ([("Content-Length", str(LIMIT + 1))], [b"x" * (LIMIT + 1)]),
        ([("Content-Length", "9" * 5000)], [b"x"]),
        ([], [b"x" * (LIMIT + 1)]),
        ([], [b"x" * LIMIT, b"x"]),
        ([], [b"x"] * (LIMIT + 1)),
    ],
    ids=["announced", "absurd", "one frame", "last frame", "small frames"],
)
async def test_a_body_over_the_limit_is_refused(limited: Any, headers: list[Any], frames: list[bytes]) -> None:
    answer = await exchange(limited, "POST", "/api/length", headers, frames)
    assert answer.status == 413
    assert answer.header("Content-Type") == "application/problem+json"
    problem = json.loads(answer.body)
    assert (problem["code"], problem["detail"]) == ("too_large", f"The body is larger than {LIMIT} bytes.")
    assert answer.complete


@pytest.mark.parametrize("length", [LIMIT + 1, 3 * LIMIT, 3 * LIMIT + 1])
@pytest.mark.parametrize("mounted_at", ["", "/mounted"])
async def test_a_path_may_take_more_than_the_others(limited: Any, length: int, mounted_at: str) -> None:
    scope = scope_of("POST", f"{mounted_at}/api/length-of-more") | {"root_path": mounted_at}
    client = Client([b"x" * length])
    await limited(scope, client.receive, client.send)
    assert client.status == (200 if length <= 3 * LIMIT else 413)


async def test_large_bodies_together_have_a_bound_and_small_ones_still_pass(limited: Any) -> None:
    path, room = "/api/length-of-more", 5 * LIMIT
    limited._surplus = Surplus(usual_bytes=LIMIT, most_bytes=room)
    stalled = asyncio.Barrier(3)

    class Stalling(Client):
        async def receive(self) -> dict[str, Any]:
            if self.taken == len(self.frames):
                await stalled.wait()
            return await super().receive()

    pending = [Stalling([b"x" * 2 * LIMIT, b"x" * LIMIT], ends_body=False) for _ in range(2)]
    # Two that are being sent, and never to the end, hold 4 of the 5 that there are.
    limited._body_timeout_s = 5
    waiting = [asyncio.create_task(limited(scope_of("POST", path), one.receive, one.send)) for one in pending]
    await stalled.wait()
    assert limited._surplus._left == room - 4 * LIMIT
    refused = await exchange(limited, "POST", path, [], [b"x" * 2 * LIMIT, b"x" * LIMIT])
    assert (refused.status, json.loads(refused.body)["code"]) == (503, "unavailable")
    assert refused.header("Retry-After") == "2"
    small = await exchange(limited, "POST", path, [], [b"x" * LIMIT])
    assert small.status == 200
    for one in pending:
        one.leave()
    await asyncio.gather(*waiting)
    assert limited._surplus._left == room, "what has left holds nothing"
    assert (await exchange(limited, "POST", path, [], [b"x" * 3 * LIMIT])).status == 200
    assert limited._surplus._left == room


async def test_a_stream_that_has_begun_holds_nothing_of_the_room_for_bodies(limited: Any) -> None:
    limited._surplus = Surplus(usual_bytes=LIMIT, most_bytes=2 * LIMIT)
    left = []
    client = Client([b"x" * 3 * LIMIT], on_body=lambda _: left.append(limited._surplus._left))
    await limited(scope_of("POST", "/api/stream"), client.receive, client.send)
    assert client.status == 200
    assert set(left) == {2 * LIMIT}


async def test_a_streams_request_lets_go_of_its_body(limited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = []
    monkeypatch.setattr(RoadRequest, "forget_body", lambda request: let_go.append(request.path))
    await exchange(limited, "POST", "/api/stream", [], [b"x" * 10])
    await exchange(limited, "POST", "/api/length", [], [b"x" * 10])
    assert let_go == ["/api/stream"]


async def test_an_announced_body_that_is_too_large_is_refused_before_it_is_read(limited: Any) -> None:
    client = Client([b"x" * 500] * 10)
    taken_before_answer = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            taken_before_answer.append(client.taken)
        await client.send(message)

    await limited(scope_of("POST", "/api/length", [("Content-Length", "5000")]), client.receive, send)
    assert client.status == 413
    assert taken_before_answer == [0]
    # What was on its way is taken before the connection is closed, or the client would lose the answer.
    assert client.taken == 10
    assert client.header("Connection") == "close"


async def test_an_endless_body_is_not_read_to_its_end(limited: Any) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": True}

    client = Client([])
    await limited(scope_of("POST", "/api/length"), receive, client.send)
    assert (client.status, client.complete) == (413, True)


@pytest.mark.parametrize("frames", [[], [b"x"]], ids=["nothing", "a beginning"])
async def test_a_body_that_stops_arriving_is_given_up(limited: Any, frames: list[bytes]) -> None:
    client = Client(frames, ends_body=False)

    async def send(message: dict[str, Any]) -> None:
        await client.send(message)
        client.leave()

    async with asyncio.timeout(20):
        await limited(scope_of("POST", "/api/length", [("Content-Length", "10")]), client.receive, send)
    assert client.status == 400
    assert json.loads(client.body)["detail"] == "Its body did not arrive in 0.05 s."


async def test_an_announced_length_that_is_no_number_is_passed_over(ours: Any) -> None:
    """Wanted difference: Django fails over it, in the view."""
    answer = await exchange(ours, "POST", "/api/length", [("Content-Length", "many")], [b"abc"])
    assert json.loads(answer.body)["length"] == 3


@given(body=st.binary(max_size=64), cuts=st.lists(st.integers(0, 64), max_size=8))
def test_where_a_body_is_cut_makes_no_difference(body: bytes, cuts: list[int]) -> None:
    from eloquent.reception import read_body

    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    client = Client([body[start:end] for start, end in pairwise(edges)])
    read = asyncio.run(read_body(scope_of("POST", "/"), client.receive, max_bytes=64, timeout_s=5))
    assert (read.content, read.fault, read.unread) == (body, None, False)
