"""The application behind a real nginx, with the configuration that the documents give."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from inference.providers.scripted import saying
from tests import debian
from tests.chat.conftest import LanguageModel
from tests.chat.conftest import model as model  # noqa: PLC0414 - a fixture
from tests.front_door.test_http import AMBIGUOUS, Seen
from tests.people import Person
from tests.uvicorn_server import running_server

CONF = Path(__file__).resolve().parents[2] / "docs" / "proxy" / "nginx.conf"
NGINX = debian.program("nginx")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light")
NAME = "localhost"
EVIL = "192.0.2.66"


def certificate(directory: Path) -> Path:
    """A certificate for the name, and its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "tls.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.with_suffix(".key").write_bytes(pem)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Proxy:
    """A running nginx: over TLS, and the port without."""

    port: int
    plain_port: int
    trust: ssl.SSLContext
    directory: Path

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}"

    def client(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, verify=self.trust, timeout=20, **options)

    async def raw(self, request: bytes) -> bytes:
        """The answer to these bytes, until the connection is closed or 20 seconds have passed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust, server_hostname=NAME)
        writer.write(request)
        answer = b""
        try:
            async with asyncio.timeout(20):
                while piece := await reader.read(65536):
                    answer += piece
        finally:
            writer.close()
        return answer


def running_nginx(directory: Path, upstream: str) -> Iterator[Proxy]:
    """The configuration of the documents with this machine's ports and paths in it, and nothing else changed."""
    tls = certificate(directory)
    port, plain_port = free_port(), free_port()
    text = CONF.read_text()
    changes = {
        "listen 80 ": f"listen 127.0.0.1:{plain_port} ",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "chat.example.org": NAME,
        f"/etc/nginx/tls/{NAME}.pem": str(tls),
        f"/etc/nginx/tls/{NAME}.key": str(tls.with_suffix(".key")),
        "/var/log/nginx/": f"{directory}/",
        "server 127.0.0.1:8000": f"server {upstream.removeprefix('http://')}",
    }
    for found, meant in changes.items():
        assert found in text, f"the configuration has no “{found}”"
        text = text.replace(found, meant)
    conf = directory / "nginx.conf"
    own = "".join(f"{kind}_temp_path {directory}/{kind};\n" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    own += f"client_body_temp_path {directory}/body;\n"
    conf.write_text(f"pid {directory}/pid;\ndaemon off;\n" + text.replace("http {", "http {\n" + own))
    process = subprocess.Popen([NGINX, "-p", directory, "-c", conf, "-e", directory / "error.log"])  # type: ignore[list-item]
    trust = ssl.create_default_context(cafile=str(tls))
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                continue
        assert process.poll() is None, (directory / "error.log").read_text()
        yield Proxy(port, plain_port, trust, directory)
    finally:
        process.terminate()
        process.wait(20)


@pytest_asyncio.fixture
async def seen_behind(tmp_path: Path) -> AsyncIterator[tuple[Proxy, Seen]]:
    """nginx in front of an application that notes what arrives."""
    seen = Seen()
    async with running_server(seen, lifespan="off") as upstream:
        for proxy in running_nginx(tmp_path, upstream):
            yield proxy, seen


@pytest.fixture
def proxy(server: str, tmp_path: Path) -> Iterator[Proxy]:
    """nginx in front of the real application."""
    yield from running_nginx(tmp_path, server)


async def test_what_a_client_says_of_itself_is_replaced(seen_behind: tuple[Proxy, Seen]) -> None:
    proxy, seen = seen_behind
    said = {
        "X-Forwarded-For": EVIL,
        "X_Forwarded_For": EVIL,
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": f"for={EVIL};host=evil.example",
        "Proxy": "http://evil.example",
        "Connection": "Authorization, keep-alive",
        "Authorization": "Bearer mine",
    }
    async with proxy.client(headers=said) as http:
        assert (await http.get("/page")).status_code == 200
    [(path, headers, _)] = seen.requests
    assert path == "/page"
    assert headers[b"x-forwarded-for"] == b"127.0.0.1"
    assert headers[b"x-forwarded-proto"] == b"https"
    assert headers[b"host"] == f"{NAME}:{proxy.port}".encode()
    assert headers[b"authorization"] == b"Bearer mine"
    assert not {b"x_forwarded_for", b"x-forwarded-host", b"forwarded", b"proxy", b"upgrade"} & set(headers)


@pytest.mark.parametrize("request_bytes", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_no_two_requests_come_of_one(seen_behind: tuple[Proxy, Seen], request_bytes: bytes) -> None:
    proxy, seen = seen_behind
    # Whatever nginx makes of it: what it passes on is one request, with one length.
    ours = request_bytes.replace(b"Host: h", b"Connection: close\r\nHost: localhost", 1)
    answer = await proxy.raw(ours)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert len(seen.requests) <= 1
    for path, headers, _ in seen.requests:
        assert path == "/a"
        assert not (b"content-length" in headers and b"transfer-encoding" in headers)


async def test_heads_and_bodies_that_are_too_large_end_at_the_proxy(seen_behind: tuple[Proxy, Seen]) -> None:
    proxy, seen = seen_behind
    async with proxy.client() as http:
        assert (await http.get("/", headers={"X": "a" * 70_000})).status_code == 400
        assert (await http.post("/", content=b"a" * (17 * 1024 * 1024))).status_code == 413
        answer = await http.get("/", headers={"Host": "evil.example"})
        assert answer.status_code == 421
        assert "nginx/" not in answer.headers["server"]
    assert seen.requests == []
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.get(f"http://127.0.0.1:{proxy.plain_port}/a?b", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.headers["location"]) == (308, f"https://{NAME}/a?b")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 308),
        ("/admin/login/", 308),
        ("/account/reset-password", 308),
        ("/apiary", 308),
        ("/api/v1/docs", 308),
        ("/api/v1/me", 403),
        ("//api/v1/me", 403),
        ("/%61pi/v1/me", 403),
        ("/v1/chat/completions", 403),
        ("/ws/chat", 403),
        ("/.well-known/jwks.json", 403),
    ],
)
async def test_without_tls_pages_lead_to_it_and_programs_are_refused(
    seen_behind: tuple[Proxy, Seen], path: str, status: int
) -> None:
    proxy, seen = seen_behind
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.get(f"http://127.0.0.1:{proxy.plain_port}{path}", headers={"Authorization": "Bearer mine"})
    assert answer.status_code == status
    assert answer.headers.get("location") == (f"https://{NAME}{path}" if status == 308 else None)
    if status == 403:
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["status"], answer.json()["code"]) == (403, "tls_required")
    assert seen.requests == []


async def test_another_name_is_shown_no_certificate(seen_behind: tuple[Proxy, Seen]) -> None:
    proxy, _ = seen_behind
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection("127.0.0.1", proxy.port, ssl=proxy.trust, server_hostname="evil.example")


async def test_a_slow_body_waits_at_the_proxy(seen_behind: tuple[Proxy, Seen]) -> None:
    proxy, seen = seen_behind
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, ssl=proxy.trust, server_hostname=NAME)
    writer.write(b"POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\na")
    async with proxy.client() as http:  # a round trip through both: the application has heard of nothing before it
        assert (await http.get("/quick")).status_code == 200
    assert seen.begun == ["/quick"]
    writer.write(b"b")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    assert [(path, body) for path, _, body in seen.requests][1:] == [("/slow", b"ab")]
    writer.close()


async def test_words_and_sockets_come_through_as_they_are_made(proxy: Proxy, server: str, model: LanguageModel) -> None:
    gate = asyncio.Event()
    model.script = [*saying("One ")[:-1], gate, *saying("two")]
    async with Person(server, "ada") as ada, proxy.client() as http:
        http.headers["Authorization"] = ada.http.headers["Authorization"]
        conversation = await ada.conversation()
        path = f"/api/v1/runs/{(await ada.ask(conversation, 'Hi'))['id']}/stream"
        async with http.stream("GET", path) as stream:
            assert stream.status_code == 200
            assert "nginx" in stream.headers["server"]
            read = b""
            async for piece in stream.aiter_raw():
                read += piece
                if b"One" in read and not gate.is_set():
                    assert b"two" not in read
                    gate.set()  # the first word is here while the second is not made
            assert b"two" in read
            assert b"[DONE]" in read
        ticket = (await ada.ok("POST", "/auth/socket-ticket", 201))["ticket"]
        protocols: Any = ["eloquent.notices.v1", f"ticket.{ticket}"]
        url = proxy.url.replace("https", "wss") + "/ws/notices"
        options: Any = {"ssl": proxy.trust, "subprotocols": protocols, "proxy": None, "origin": proxy.url}
        async with websockets.connect(url, **options) as connection:
            assert orjson.loads(await connection.recv()) == {"type": "listening"}
        log = (proxy.directory / "access.log").read_text()
    assert ticket not in log
    assert "/ws/notices" in log
