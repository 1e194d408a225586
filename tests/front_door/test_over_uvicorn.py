"""The same handlers behind the server we deploy: real connections that break, stall and stay."""

import socket
import struct
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from tests.front_door.threaded_server import Connection, ThreadedServer, serving

WAIT_S = 10


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    """As it stands on a laptop, and as behind AWS's load balancer."""
    return bool(request.param)


@pytest.fixture
def server(handler: Any, tls: bool) -> Iterator[ThreadedServer]:
    with serving(handler, tls=tls) as server:
        yield server


@pytest.fixture
def our_server(ours: Any, tls: bool) -> Iterator[ThreadedServer]:
    with serving(ours, tls=tls) as server:
        yield server


def test_one_connection_serves_many_requests(server: ThreadedServer) -> None:
    with Connection(server) as connection:
        for _ in range(3):
            connection.send("/api/stream")
            assert "één two".encode() in connection.until(b"\r\n0\r\n\r\n").replace(b"\r\n3\r\n", b"").replace(
                b"\r\n", b""
            )
            connection.send("/api/steps", "Content-Length: 5", method="POST", body=b"abcde")
            head = connection.until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert b'{"first": "abc", "rest": "de"}' in connection.until(b"}")
            if b"chunked" in head:
                connection.until(b"0\r\n\r\n")


def test_a_chunked_body_arrives_whole(server: ThreadedServer) -> None:
    with Connection(server) as connection:
        connection.send("/api/steps", "Transfer-Encoding: chunked", method="POST", body=b"2\r\nab\r\n")
        connection.socket.sendall(b"3\r\ncde\r\n0\r\n\r\n")
        assert b'{"first": "abc", "rest": "de"}' in connection.until(b"}")


@pytest.mark.parametrize("rudely", [False, True], ids=["closed", "reset"])
def test_a_silent_stream_ends_when_the_connection_does(
    server: ThreadedServer, happened: "SimpleQueue[str]", rudely: bool
) -> None:
    with Connection(server) as connection:
        connection.send("/api/silent")
        connection.until(b"first")
        assert happened.get(timeout=WAIT_S) == "waiting"
        if rudely:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert happened.get(timeout=WAIT_S) == "cancelled"
    assert happened.get(timeout=WAIT_S) == "closed"


def test_a_waiting_view_ends_when_the_connection_does(server: ThreadedServer, happened: "SimpleQueue[str]") -> None:
    with Connection(server) as connection:
        connection.send("/api/waiting")
        assert happened.get(timeout=WAIT_S) == "waiting"
    assert happened.get(timeout=WAIT_S) == "cancelled"


def test_a_client_that_leaves_within_its_body_is_forgotten(server: ThreadedServer) -> None:
    with Connection(server) as connection:
        connection.send("/api/length", "Content-Length: 100", method="POST", body=b"half")
    with Connection(server) as connection:
        connection.send("/api/ninja/ping")
        assert b"200 OK" in connection.until(b"\r\n\r\n")


def test_a_reader_that_takes_nothing_is_cut_off(bare_urls: None, happened: "SimpleQueue[str]", tls: bool) -> None:
    from eloquent.handlers import AsyncHandler

    handler = AsyncHandler(send_timeout_s=0.2)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await handler(scope, receive, send)
        happened.put("returned")

    with serving(app, tls=tls) as server, Connection(server, receive_buffer=4096) as connection:
        connection.send("/api/pouring")
        assert happened.get(timeout=WAIT_S) == "pouring"
        assert happened.get(timeout=WAIT_S) == "closed"
        assert happened.get(timeout=WAIT_S) == "returned"
        # Not one byte has been read. An orderly close would wait for that, and keep connection and buffer till then.
        assert server.connections() == 0


def test_a_slow_reader_that_reads_is_served(bare_urls: None, happened: "SimpleQueue[str]", tls: bool) -> None:
    from eloquent.handlers import AsyncHandler

    with (
        serving(AsyncHandler(send_timeout_s=WAIT_S), tls=tls) as server,
        Connection(server, receive_buffer=4096) as connection,
    ):
        connection.send("/api/pouring")
        assert happened.get(timeout=WAIT_S) == "pouring"
        taken = 0
        while taken < 20_000_000:
            piece = connection.socket.recv(65536)
            assert piece, f"cut off after {taken} bytes"
            taken += len(piece)
        assert happened.empty()


def test_an_answer_to_a_body_too_large_is_not_lost(our_server: ThreadedServer, settings: Any) -> None:
    """Closing the connection over unread bytes would reset it, and the client would never see why."""
    size = 4 * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    with Connection(our_server) as connection:
        connection.send("/api/length", f"Content-Length: {size}", method="POST", body=b"x" * size)
        status, headers, _ = connection.answer()
        assert (status, headers["connection"]) == (400, "close")
        assert connection.rest() == b""


def test_no_body_is_asked_for_when_it_will_be_refused(our_server: ThreadedServer) -> None:
    with Connection(our_server) as connection:
        connection.send("/api/length", "Content-Length: 99999999", "Expect: 100-continue", method="POST")
        assert connection.answer()[0] == 400


def test_a_head_request_is_answered_and_the_connection_goes_on(our_server: ThreadedServer) -> None:
    with Connection(our_server) as connection:
        connection.send("/api/long", method="HEAD")
        head = connection.until(b"\r\n\r\n")
        assert b"content-length: 300000" in head.lower()
        connection.send("/api/ninja/ping")
        assert connection.answer()[2] == b'{"ok": true}'


def test_requests_sent_ahead_are_answered_in_order(our_server: ThreadedServer) -> None:
    with Connection(our_server) as connection:
        for n in range(5):
            connection.send(f"/api/things/lamp/parts/{n}")
        for n in range(5):
            assert f'"part": {n}'.encode() in connection.answer()[2]


def test_open_streams_are_cut_without_a_closing_chunk(
    ours: Any, happened: "SimpleQueue[str]", caplog: pytest.LogCaptureFixture, tls: bool
) -> None:
    with serving(ours, tls=tls) as server, Connection(server) as connection:
        connection.send("/api/silent")
        connection.until(b"first\r\n")
        assert happened.get(timeout=WAIT_S) == "waiting"
        server.call(ours.end_streams)
        assert connection.rest() == b""
        assert happened.get(timeout=WAIT_S) == "cancelled"
    assert "Exception in ASGI application" not in caplog.text
    assert "without completing response" not in caplog.text


def test_a_stream_that_breaks_off_has_no_closing_chunk_and_is_no_error(
    ours: Any, caplog: pytest.LogCaptureFixture, tls: bool
) -> None:
    with serving(ours, tls=tls) as server, Connection(server) as connection:
        connection.send("/api/broken-off")
        connection.until(b"first\r\n")
        assert connection.rest() == b""
    assert "Exception in ASGI application" not in caplog.text
    assert "without completing response" not in caplog.text


def test_a_server_that_stops_ends_the_streams_it_waited_for(ours: Any, happened: "SimpleQueue[str]", tls: bool) -> None:
    with serving(ours, tls=tls, timeout_graceful_shutdown=1) as server, Connection(server) as connection:
        connection.send("/api/silent")
        connection.until(b"first")
        assert happened.get(timeout=WAIT_S) == "waiting"
        server.stop()
        assert happened.get(timeout=WAIT_S) == "cancelled"
        assert happened.get(timeout=WAIT_S) == "closed"
