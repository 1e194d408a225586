"""Clients that leave, and what is ended for them."""

import asyncio
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse

from tests.front_door.exchange import Client, exchange, scope_of


async def next_of(happened: "SimpleQueue[str]") -> str:
    """What happens next in a view that is being served."""
    return await asyncio.to_thread(happened.get, timeout=10)


async def test_a_stream_ends_when_its_client_leaves(handler: Any, happened: Any) -> None:
    answer = await exchange(handler, "GET", "/api/silent", on_body=Client.leave)
    assert answer.body == b"first"
    assert not answer.complete
    assert [happened.get_nowait(), happened.get_nowait()] == ["waiting", "cancelled"]
    assert happened.get_nowait() == "closed"


async def test_a_running_view_is_cancelled_when_its_client_leaves(handler: Any, happened: Any) -> None:
    client = Client([b""])
    serving = asyncio.create_task(handler(scope_of("GET", "/api/waiting"), client.receive, client.send))
    assert await next_of(happened) == "waiting"
    client.leave()
    await serving
    assert client.sent == []
    assert happened.get_nowait() == "cancelled"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_a_change_is_made_to_its_end_when_its_client_leaves(ours: Any, happened: Any, method: str) -> None:
    client = Client([b""])
    serving = asyncio.create_task(ours(scope_of(method, "/api/changing"), client.receive, client.send))
    assert await next_of(happened) == "began"
    client.leave()
    await serving
    assert happened.get_nowait() == "done"


async def test_a_change_that_is_none_is_ended_with_its_client(ours: Any, happened: Any) -> None:
    client = Client([b""])
    serving = asyncio.create_task(ours(scope_of("POST", "/api/asking"), client.receive, client.send))
    assert await next_of(happened) == "waiting"
    client.leave()
    await serving
    assert client.sent == []
    assert happened.get_nowait() == "cancelled"


async def test_a_client_that_leaves_within_its_body_reaches_no_view(handler: Any, happened: Any) -> None:
    client = Client([b"x"], ends_body=False)
    client.leave()
    async with asyncio.timeout(10):
        await handler(scope_of("POST", "/api/waiting"), client.receive, client.send)
    assert client.sent == []
    assert happened.empty()


async def test_a_stream_being_written_is_closed_before_the_handler_returns(ours: Any, happened: Any) -> None:
    """Django leaves the view's generator to the garbage collector, which closes it some time later."""
    answer = await exchange(ours, "GET", "/api/pouring", on_body=Client.leave)
    assert not answer.complete
    assert [happened.get_nowait(), happened.get_nowait()] == ["pouring", "closed"]


async def test_a_stream_that_swallows_its_cancellation_is_ended_all_the_same(ours: Any, happened: Any) -> None:
    answer = await exchange(ours, "GET", "/api/stubborn", on_body=Client.leave)
    assert answer.body == b"first"
    assert [happened.get_nowait(), happened.get_nowait()] == ["waiting", "closed"]


async def test_a_server_that_says_so_by_an_error_is_understood(ours: Any, happened: Any) -> None:
    client = Client([b""])

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    await ours(scope_of("GET", "/api/pouring"), client.receive, send)
    assert [happened.get_nowait(), happened.get_nowait()] == ["pouring", "closed"]


async def test_a_server_that_stops_waiting_cancels_and_hears_of_it(ours: Any, happened: Any) -> None:
    client = Client([b""])
    serving = asyncio.create_task(ours(scope_of("GET", "/api/silent"), client.receive, client.send))
    await client.got(2)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert happened.get_nowait() == "waiting"
    assert [happened.get_nowait(), happened.get_nowait()] == ["cancelled", "closed"]


async def test_a_blocked_write_ends_the_stream(bare_urls: None, happened: Any) -> None:
    from eloquent.handlers import AsyncHandler

    client = Client([b""])
    written = 0

    async def send(message: dict[str, Any]) -> None:
        nonlocal written
        if message["type"] == "http.response.body":
            written += 1
            if written == 3:
                await asyncio.Event().wait()

    async with asyncio.timeout(10):
        await AsyncHandler(send_timeout_s=0.05)(scope_of("GET", "/api/pouring"), client.receive, send)
    assert written == 3
    assert [happened.get_nowait(), happened.get_nowait()] == ["pouring", "closed"]


async def test_a_stream_that_is_always_taken_lets_the_server_tell_that_nobody_reads(ours: Any, happened: Any) -> None:
    """As when the connection breaks within a write: from then on nothing blocks, and the disconnect is yet to come."""
    client = Client([b""])
    written = 0

    async def send(message: dict[str, Any]) -> None:
        nonlocal written
        written += 1
        if written == 3:
            asyncio.get_running_loop().call_soon(client.leave)
        assert written < 10_000, "it goes on for ever, and nothing else in this process does"

    await ours(scope_of("GET", "/api/pouring"), client.receive, send)
    assert [happened.get_nowait(), happened.get_nowait()] == ["pouring", "closed"]


async def test_what_is_saved_at_the_end_is_not_timed(bare_urls: None, happened: "SimpleQueue[str]") -> None:
    from eloquent.handlers import AsyncHandler

    client = Client([b""])

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    await AsyncHandler(send_timeout_s=0.02)(scope_of("GET", "/api/slowly-closing"), client.receive, send)
    assert happened.get_nowait() == "saved"


async def test_a_silent_stream_is_not_a_blocked_one(bare_urls: None, happened: Any) -> None:
    """Only writing is timed: a model may think for minutes."""
    from eloquent.handlers import AsyncHandler

    handler = AsyncHandler(send_timeout_s=0.02)
    client = Client([b""])
    serving = asyncio.create_task(handler(scope_of("GET", "/api/silent"), client.receive, client.send))
    await client.got(2)
    done, _ = await asyncio.wait([serving], timeout=0.1)
    assert not done
    client.leave()
    await serving


async def test_open_streams_are_cut_when_the_process_leaves(ours: Any, happened: Any) -> None:
    clients = [Client([b""]) for _ in range(3)]
    serving = [
        asyncio.create_task(ours(scope_of("GET", "/api/silent"), client.receive, client.send)) for client in clients
    ]
    for client in clients:
        await client.got(2)
    assert ours.end_streams() == 3
    async with asyncio.timeout(10):
        await asyncio.gather(*serving)
    assert not any(client.complete for client in clients)
    assert ours.end_streams() == 0


async def test_nothing_is_left_running(ours: Any) -> None:
    before = asyncio.all_tasks()
    await exchange(ours, "GET", "/api/silent", on_body=Client.leave)
    await exchange(ours, "GET", "/api/stream")
    await exchange(ours, "GET", "/api/ninja/ping")
    assert asyncio.all_tasks() == before


async def test_a_short_view_is_served_without_a_further_task(ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tasks for each short request cost more than the request."""
    made = []
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda *args, **kwargs: made.append(args) or asyncio.Task(args[1], loop=args[0], **kwargs))
    try:
        client = Client([b""])
        await ours(scope_of("GET", "/api/ninja/ping"), client.receive, client.send)
    finally:
        loop.set_task_factory(None)
    assert client.status == 200
    assert made == []


SEEN: list[str] = []


def noting(get_response: Any) -> Any:
    async def middleware(request: HttpRequest) -> HttpResponse:
        try:
            return await get_response(request)
        except asyncio.CancelledError:
            SEEN.append("cancelled")
            raise

    return middleware


async def test_middleware_hears_of_a_view_that_was_cancelled(bare_urls: None, happened: Any) -> None:
    from eloquent.handlers import AsyncHandler

    SEEN.clear()
    handler = AsyncHandler(middleware=["tests.front_door.test_departures.noting"])
    client = Client([b""])
    serving = asyncio.create_task(handler(scope_of("GET", "/api/waiting"), client.receive, client.send))
    assert await next_of(happened) == "waiting"
    client.leave()
    await serving
    assert SEEN == ["cancelled"]


async def test_a_server_in_a_hurry_may_cancel_a_stream_that_is_hanging_up(ours: Any) -> None:
    client, closing = Client([b""]), asyncio.Event()
    client.transport = SimpleNamespace(close=closing.set)  # type: ignore[attr-defined]
    serving = asyncio.create_task(ours(scope_of("GET", "/api/broken-off"), client.receive, client.send))
    async with asyncio.timeout(10):
        await closing.wait()
        serving.cancel()
        await serving
    assert client.body == b"first"
    assert not client.complete
