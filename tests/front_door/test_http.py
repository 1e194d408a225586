"""What the server's HTTP takes, before any application sees it: no two readings of a request, nothing without a bound.

Each request here is one that a proxy and a server have disagreed about somewhere, which lets one person's bytes become
the beginning of another's request.
"""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import websockets.sync.client

from eloquent.serving.http_protocol import LARGEST_HEAD, MOST_HEADERS, BoundedHttp, room_for_connections
from tests.front_door.threaded_server import Connection, ThreadedServer, serving

SECOND = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
EMPTY = b"0\r\n\r\n"


class Seen:
    """An application that notes what it is asked."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.requests: list[tuple[str, dict[bytes, bytes], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun.append(scope["path"])
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.requests.append((scope["path"], dict(scope["headers"]), body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Quick(BoundedHttp):
    head_timeout_s = 0.2
    most_connections = 5


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def server(seen: Seen) -> Iterator[ThreadedServer]:
    with serving(seen) as server:
        yield server


@pytest.fixture
def quick(seen: Seen) -> Iterator[ThreadedServer]:
    with serving(seen, http=Quick) as server:
        yield server


def post(*headers: bytes, body: bytes = b"", first: bytes = b"POST /a HTTP/1.1") -> bytes:
    return b"\r\n".join([first, b"Host: h", *headers]) + b"\r\n\r\n" + body


def statuses(server: ThreadedServer, request: bytes) -> list[int]:
    """Of all responses until the server closes the connection, which the last request here asks for."""
    with Connection(server) as connection:
        try:
            connection.socket.sendall(request)
            answer = connection.rest()
        except ConnectionError:
            answer = connection._buffer
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


AMBIGUOUS = {
    "both lengths": post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=EMPTY + SECOND),
    "both lengths, the other way": post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=EMPTY + SECOND),
    "one length twice": post(b"Content-Length: 1", b"Content-Length: 1", body=b"x"),
    "two lengths": post(b"Content-Length: 1", b"Content-Length: 3", body=b"xyz"),
    "a list of lengths": post(b"Content-Length: 1, 1", body=b"x"),
    "a length with a sign": post(b"Content-Length: +1", body=b"x"),
    "a length below nothing": post(b"Content-Length: -1", body=b"x"),
    "a length in hexadecimal": post(b"Content-Length: 0x1", body=b"x"),
    "an immense length": post(b"Content-Length: 18446744073709551617", body=b"x"),
    "chunked and then not": post(b"Transfer-Encoding: chunked, identity", body=EMPTY + SECOND),
    "chunked in another line": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=EMPTY + SECOND),
    "nearly chunked": post(b"Transfer-Encoding: xchunked", b"Content-Length: 5", body=EMPTY + SECOND),
    "a space before the colon": post(b"Transfer-Encoding : chunked", b"Content-Length: 5", body=EMPTY + SECOND),
    "a tab of another kind": post(b"Transfer-Encoding: \x0bchunked", b"Content-Length: 5", body=EMPTY + SECOND),
    "a folded header": post(b"X: a\r\n b"),
    "a folded encoding": post(b"Transfer-Encoding:\r\n chunked", body=EMPTY),
    "a fold at the beginning": b"GET /a HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n",
    "bare line feeds": b"GET /a HTTP/1.1\nHost: h\n\n",
    "one bare line feed": b"GET /a HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
    "a bare carriage return": b"GET /a HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
    "a null byte": post(b"X: a\x00b"),
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "another version": b"GET /a HTTP/1.2\r\nHost: h\r\n\r\n",
}
BAD_CHUNKS = {
    "a bare line feed in an extension": b"1;a\nx\r\n" + EMPTY,
    "a prefix of hexadecimal": b"0x1\r\nx\r\n" + EMPTY,
    "a space behind the size": b"1 \r\nx\r\n" + EMPTY,
    "an immense size": b"fffffffffffffffff\r\nx\r\n" + EMPTY,
    "a bare line feed behind the data": b"1\r\nx\n" + EMPTY,
    "a length in the trailer": b"0\r\nContent-Length: 9\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_can_be_read_in_two_ways_is_refused(server: ThreadedServer, seen: Seen, request_bytes: bytes) -> None:
    assert statuses(server, request_bytes) == [400]
    assert seen.requests == []


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
def test_a_body_in_odd_chunks_ends_the_connection(server: ThreadedServer, seen: Seen, chunks: bytes) -> None:
    answered = statuses(server, post(b"Transfer-Encoding: chunked", body=chunks + SECOND))
    assert answered in ([], [400])
    assert [path for path, _, _ in seen.requests] == []


def test_a_get_with_a_body_is_one_request(server: ThreadedServer, seen: Seen) -> None:
    request = post(b"Content-Length: %d" % len(SECOND), b"Connection: close", body=SECOND, first=b"GET /a HTTP/1.1")
    assert statuses(server, request) == [200]
    assert [(path, body) for path, _, body in seen.requests] == [("/a", SECOND)]


def test_an_upgrade_to_another_protocol_is_not_made(server: ThreadedServer) -> None:
    request = post(b"Connection: Upgrade, close", b"Upgrade: h2c", first=b"GET /a HTTP/1.1")
    assert statuses(server, request) == [200]


def test_headers_behind_a_body_are_not_taken_for_headers(server: ThreadedServer, seen: Seen) -> None:
    trailer = b"0\r\nX-Forwarded-For: 192.0.2.1\r\nAuthorization: Bearer x\r\n\r\n"
    assert statuses(server, post(b"Transfer-Encoding: chunked", b"Connection: close", body=trailer)) == [200]
    [(_, headers, _)] = seen.requests
    assert set(headers) == {b"host", b"transfer-encoding", b"connection"}


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(b"X: " + b"a" * LARGEST_HEAD),
        post(b"X: " + b"a" * 1_000_000),
        post(*[b"X%d: a" % number for number in range(MOST_HEADERS)]),
        b"GET /" + b"a" * LARGEST_HEAD + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /" + b"a" * 1_000_000,
        b"GET / HTTP/1.1\r\nX" + b"a" * 1_000_000,
    ],
    ids=["a header", "a large header", "many headers", "a target", "a target without end", "a name without end"],
)
def test_a_head_that_is_too_large_is_refused(server: ThreadedServer, seen: Seen, request_bytes: bytes) -> None:
    assert statuses(server, request_bytes) == [431]
    assert seen.requests == []


def test_a_head_within_the_bounds_is_taken(server: ThreadedServer, seen: Seen) -> None:
    headers = [b"X%d: %s" % (number, b"a" * 500) for number in range(MOST_HEADERS - 2)]
    assert statuses(server, post(b"Connection: close", *headers)) == [200]
    # A connection is measured anew with each request, and its body not at all.
    body = b"x" * (LARGEST_HEAD * 2)
    again = post(b"X: " + b"a" * 40_000, b"Content-Length: %d" % len(body), body=body)
    assert statuses(server, again * 2 + post(b"Connection: close")) == [200, 200, 200]


@pytest.mark.parametrize(
    "drip", [b"", b"G", b"GET / HTTP/1.1\r\nX: ", b"\r\n"], ids=["nothing", "a letter", "a header", "empty lines"]
)
def test_a_head_that_does_not_come_to_an_end_is_given_up(quick: ThreadedServer, drip: bytes) -> None:
    with Connection(quick) as connection:
        connection.socket.sendall(drip)
        started = time.monotonic()
        connection.socket.settimeout(0.05)
        ended = False
        while not ended and time.monotonic() < started + 10:
            try:
                ended = connection.socket.recv(100) == b""
                connection.socket.sendall(drip[-1:])  # a byte now and then
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
        assert ended
        assert time.monotonic() - started < 5


def test_the_next_request_of_a_kept_connection_must_come_to_an_end_too(quick: ThreadedServer) -> None:
    with Connection(quick) as connection:
        connection.socket.sendall(post(b"Content-Length: 0"))
        assert connection.answer()[0] == 200
        connection.socket.sendall(b"\r\n")
        assert connection.rest() == b""


def test_an_answer_may_take_longer_than_a_head(seen: Seen) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        import asyncio

        await asyncio.sleep(Quick.head_timeout_s * 3)  # it is time itself that is tested
        await seen(scope, receive, send)

    with serving(slow, http=Quick) as server:
        assert statuses(server, post(b"Connection: close")) == [200]


def test_a_socket_may_be_silent_for_longer_than_a_head() -> None:
    async def echo(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        text = (await receive())["text"]
        await send({"type": "websocket.send", "text": text})

    connect = websockets.sync.client.connect
    with (
        serving(echo, http=Quick, ws="websockets-sansio") as server,
        connect(f"ws://127.0.0.1:{server.port}/", proxy=None) as client,
    ):
        with pytest.raises(TimeoutError):
            client.recv(Quick.head_timeout_s * 3)  # it is time itself that is tested
        client.send("still here")
        assert client.recv(10) == "still here"


def test_connections_beyond_the_bound_are_dropped_and_those_before_it_served(quick: ThreadedServer) -> None:
    kept = [Connection(quick) for _ in range(5)]
    try:
        for connection in kept[:-1]:
            connection.socket.sendall(b"GET")
        while quick.connections() < 5:
            time.sleep(0.001)
        with Connection(quick) as more:
            try:
                more.socket.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                answered = more.socket.recv(100)
            except ConnectionError:
                answered = b""
        assert answered == b""
        kept[-1].send("/a")
        assert kept[-1].answer()[0] == 200
    finally:
        for connection in kept:
            connection.socket.close()


def test_there_is_room_for_files_beside_the_connections() -> None:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 0 < room_for_connections() < soft
