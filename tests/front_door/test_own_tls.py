"""TLS behind a load balancer: a key of the process's own, and everything that is served without."""

import socket
import ssl
import sys
from typing import Any

import pytest
import uvicorn
import websockets.sync.client
from cryptography import x509

from eloquent.serving import probe
from eloquent.serving.own_tls import own_tls
from tests.front_door.test_http import Quick
from tests.front_door.threaded_server import Connection, ThreadedServer, asking_no_certificate, serving


async def well(scope: Any, receive: Any, send: Any) -> None:
    status = 200 if scope["path"] == "/healthz" and scope["scheme"] == "https" else 404
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def certificate_of(connection: Connection) -> bytes:
    assert isinstance(connection.socket, ssl.SSLSocket)
    return connection.socket.getpeercert(binary_form=True) or b""


def test_each_process_has_a_key_of_its_own() -> None:
    with (
        serving(well, tls=True) as one,
        serving(well, tls=True) as other,
        Connection(one) as first,
        Connection(one) as second,
        Connection(other) as third,
    ):
        assert certificate_of(first) == certificate_of(second) != certificate_of(third)
        extensions = x509.load_der_x509_certificate(certificate_of(first)).extensions
        assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_what_is_out_of_date_is_not_spoken() -> None:
    with serving(well, tls=True) as server, Connection(server) as connection:
        assert isinstance(connection.socket, ssl.SSLSocket)
        assert connection.socket.version() == "TLSv1.3"
        old = asking_no_certificate()
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError), _plain_socket(server) as plain:
            old.wrap_socket(plain)
    assert own_tls(uvicorn.Config(well), ssl.create_default_context).minimum_version == ssl.TLSVersion.TLSv1_2


def _plain_socket(server: ThreadedServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 10)


def test_who_speaks_no_tls_gets_no_answer() -> None:
    with serving(well, tls=True) as server, _plain_socket(server) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            said = plain.recv(1000)
        except ConnectionError:
            said = b""
        assert not said.startswith(b"HTTP/")


def test_a_head_that_does_not_come_to_an_end_is_given_up_here_too() -> None:
    with serving(well, tls=True, http=Quick) as server, Connection(server) as connection:
        connection.socket.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert connection.rest() == b""


def test_a_socket_speaks_over_it() -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        assert scope["scheme"] == "wss"
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(2):
            await send({"type": "websocket.send", "text": (await receive())["text"]})

    connect = websockets.sync.client.connect
    with (
        serving(echo, tls=True, ws="websockets-sansio") as server,
        connect(f"wss://127.0.0.1:{server.port}/", proxy=None, ssl=asking_no_certificate()) as client,
    ):
        for text in ("one", "two" * 50_000):
            client.send(text)
            assert client.recv(10) == text


@pytest.mark.parametrize(("spoken", "asked", "status"), [(True, ["--tls"], 0), (True, [], 1), (False, ["--tls"], 1)])
def test_the_probe_speaks_what_the_server_does(
    monkeypatch: pytest.MonkeyPatch, spoken: bool, asked: list[str], status: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["probe", *asked])
    with serving(well, tls=spoken) as server:
        monkeypatch.setenv("PORT", str(server.port))
        assert probe.main() == status
