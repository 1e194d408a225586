"""Where requests of ours may go: every rule once, and the connection that keeps to what was checked."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from eloquent.foundation import guarded_http
from eloquent.foundation.guarded_http import GuardedTransport
from eloquent.foundation.ssrf import AddressRefused, AllowedHost, Guard, Reach, reach_of


def guard(*allowed: str) -> Guard:
    return Guard(AllowedHost.read(entry) for entry in allowed)


@pytest.mark.parametrize(
    ("reach", "addresses"),
    [
        (Reach.PUBLIC, "8.8.8.8 93.184.216.34 2606:4700:4700::1111 2a00:1450::1 64:ff9b::8.8.8.8"),
        (Reach.OWN, "127.0.0.1 127.255.255.254 ::1"),
        (Reach.OWN, "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 fc00::1 fdff::1"),
        (Reach.NOWHERE, "169.254.169.254 169.254.0.1 fe80::1 fe80::1%eth0 fec0::1"),
        (Reach.NOWHERE, "0.0.0.0 0.1.2.3 :: 255.255.255.255 240.0.0.1 224.0.0.1 239.255.255.255 ff02::1"),
        (Reach.NOWHERE, "192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 192.0.0.9 192.88.99.1 2001:db8::1 3fff::1"),
        (Reach.NOWHERE, "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 ::8.8.8.8"),
        (Reach.NOWHERE, "2002:7f00:1:: 2002:808:808:: 2001:0:7f00:1:: 2001::1"),
        (Reach.NOWHERE, "64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8"),
        (Reach.NOWHERE, "100::1 4000::1 5f00::1 168.63.129.16 100.100.100.200 fd00:ec2::254"),
    ],
)
def test_addresses_lead_where_they_lead(reach: Reach, addresses: str) -> None:
    found = {address: reach_of(ipaddress.ip_address(address)) for address in addresses.split()}
    assert found == dict.fromkeys(addresses.split(), reach)


@given(st.ip_addresses())
def test_only_what_python_calls_global_is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if reach_of(address) is Reach.PUBLIC:
        assert address.is_global or address in ipaddress.ip_network("64:ff9b::/96")
        assert not address.is_multicast


@pytest.mark.parametrize(
    "url",
    [
        "https://tools.example.org/mcp",
        "https://tools.example.org:443/mcp?key=1#part",
        "HTTPS://Tools.Example.ORG./mcp",
        "https://8.8.8.8/mcp",
        "https://[2606:4700:4700::1111]/mcp",
        "https://xn--mnchen-3ya.example/",
    ],
)
def test_the_open_internet_is_open_over_https(url: str) -> None:
    guard().check(url)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://tools.example.org/mcp", "over https only"),
        ("ftp://tools.example.org/mcp", "begin with https"),
        ("file:///etc/passwd", "begin with https"),
        ("gopher://127.0.0.1:6379/_x", "begin with https"),
        ("//tools.example.org/mcp", "begin with https"),
        ("tools.example.org", "begin with https"),
        ("https:///mcp", "not a host's name"),
        ("https://ann@tools.example.org/mcp", "a user or a password"),
        ("https://ann:pw@tools.example.org/mcp", "a user or a password"),
        ("https://@tools.example.org/mcp", "a user or a password"),
        ("https://tools.example.org:8443/mcp", "Port 8443"),
        ("https://tools.example.org:80/mcp", "Port 80"),
        ("https://tools.example.org:22/", "Port 22"),
        ("https://tools.example.org:0/", "no port where"),
        ("https://tools.example.org:/", "no port where"),
        ("https://tools.example.org:99999/", "cannot be read"),
        ("https://tools.example.org:x/", "cannot be read"),
        ("https://tools.example.org\\@127.0.0.1/", "do not belong"),
        ("https://tools.example.org /", "do not belong"),
        ("https://tools.example.org/\r\nHost: x", "do not belong"),
        ("https://tools.example.org/\t", "do not belong"),
        ("https://t\x00ools.example.org/", "do not belong"),
        ("https://münchen.example/", "do not belong"),
        ("https://tools.example.org/" + "x" * 2000, "too long"),
        ("", "too long or"),
        ("https://[::1", "cannot be read"),
        ("https://[::1]/", "not allowed by name"),
        ("https://[fe80::1%25eth0]/", "IPv6 address"),
        ("https://[::ffff:127.0.0.1]/", "to which no request may go"),
        ("https://127.0.0.1/", "not allowed by name"),
        ("https://127.0.0.1./", "not allowed by name"),
        ("https://10.0.0.1/", "not allowed by name"),
        ("https://169.254.169.254/latest/meta-data", "to which no request may go"),
        ("https://0.0.0.0/", "to which no request may go"),
        ("https://2130706433/", "four numbers"),
        ("https://0x7f000001/", "four numbers"),
        ("https://0x7f.1/", "four numbers"),
        ("https://0177.0.0.1/", "four numbers"),
        ("https://127.1/", "four numbers"),
        ("https://1.2.3.4.5/", "four numbers"),
        ("https://exa_mple..org/", "not a host's name"),
        ("https://-tools.example.org/", "not a host's name"),
        ("https://" + "a" * 64 + ".example/", "not a host's name"),
        ("https://tools.example.org%2f@127.0.0.1/", "a user or a password"),
        ("https://tools%2eexample.org/", "not a host's name"),
    ],
)
def test_a_url_that_may_not_be_asked_is_refused_by_its_text(url: str, sentence: str) -> None:
    with pytest.raises(AddressRefused) as raised:
        guard().check(url)
    assert sentence in str(raised.value)
    assert "pw" not in str(raised.value)


@pytest.mark.parametrize(
    ("allowed", "url", "opened"),
    [
        ("127.0.0.1", "https://127.0.0.1/", True),
        ("127.0.0.1", "http://127.0.0.1/", False),
        ("127.0.0.1", "https://127.0.0.1:9000/", False),
        ("127.0.0.1", "https://127.0.0.2/", False),
        ("127.0.0.1:9000", "https://127.0.0.1:9000/", True),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/", False),
        ("127.0.0.1:9000", "https://127.0.0.1/", False),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/", True),
        ("http://127.0.0.1:9000", "https://127.0.0.1:9000/", True),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9001/", False),
        ("http://127.0.0.1:9000", "http://localhost:9000/", False),
        ("http://mcp.internal", "http://mcp.internal/", True),
        ("http://mcp.internal", "http://mcp.internal:8080/", False),
        ("[::1]:9000", "https://[::1]:9000/", True),
        ("[::1]:9000", "https://[0:0::1]:9000/", True),
        ("MCP.Internal.", "https://mcp.internal/", True),
        ("mcp.internal", "https://a.mcp.internal:8443/", False),
        ("tools.example.org:8443", "https://tools.example.org:8443/", True),
        ("169.254.169.254", "https://169.254.169.254/", False),
        ("http://169.254.169.254", "http://169.254.169.254/", False),
        ("0.0.0.0", "https://0.0.0.0/", False),
        ("[::ffff:127.0.0.1]", "https://[::ffff:127.0.0.1]/", False),
    ],
)
def test_what_an_operator_names_is_opened_and_nothing_beside_it(allowed: str, url: str, opened: bool) -> None:
    if opened:
        guard(allowed).check(url)
    else:
        with pytest.raises(AddressRefused):
            guard(allowed).check(url)


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.internal", "mcp.internal/path", "ann@mcp.internal", "mcp.internal:x", "ftp://mcp.internal", "::1:x"],
)
def test_an_entry_that_names_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="host"):
        AllowedHost.read(entry)


@given(st.text())
def test_any_text_is_allowed_or_refused_and_nothing_else(url: str) -> None:
    for check in (guard().check, lambda text: guard().check(f"https://{text}")):
        try:
            check(url)
        except AddressRefused as error:
            said = str(error)
            assert said.endswith(".")


@pytest.fixture
def resolving(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Make the resolver answer with these addresses, one list after the other; what it was asked for is noted."""
    asked: list[str] = []

    def resolve_to(*answers: list[str]) -> list[str]:
        left = list(answers)

        async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            families = {4: socket.AF_INET, 6: socket.AF_INET6}
            addresses = left.pop(0) if len(left) > 1 else left[0]
            return [
                (families[ipaddress.ip_address(address).version], socket.SOCK_STREAM, 6, "", (address, port))
                for address in addresses
            ]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        return asked

    return resolve_to


@pytest.mark.parametrize(
    ("addresses", "allowed", "fine"),
    [
        (["8.8.8.8", "2606:4700:4700::1111"], "", True),
        (["127.0.0.1"], "", False),
        (["8.8.8.8", "10.0.0.1"], "", False),
        (["8.8.8.8", "::ffff:10.0.0.1"], "", False),
        (["64:ff9b::8.8.8.8"], "", True),
        (["64:ff9b::127.0.0.1"], "", False),
        (["10.0.0.1"], "mcp.internal", True),
        (["10.0.0.1"], "mcp.internal:8443", False),
        (["10.0.0.1"], "other.internal", False),
        (["169.254.169.254"], "mcp.internal", False),
        (["fe80::1"], "mcp.internal", False),
    ],
)
async def test_every_address_of_a_name_is_judged(
    resolving: Callable[..., list[str]], addresses: list[str], allowed: str, fine: bool
) -> None:
    resolving(addresses)
    rules = guard(allowed) if allowed else guard()
    if fine:
        assert await rules.addresses("mcp.internal", 443) == tuple(addresses)
    else:
        with pytest.raises(AddressRefused):
            await rules.addresses("mcp.internal", 443)


async def test_real_names_of_this_machine_are_refused() -> None:
    for host in ("localhost", "127.0.0.1", "2130706433", "0x7f.1", "[::1]"):
        with pytest.raises((AddressRefused, OSError)):
            await guard().addresses(host, 443)
    with pytest.raises(AddressRefused):
        await guard().addresses("localhost", 443)
    with pytest.raises(AddressRefused):
        await guard().addresses("a" * 300 + ".example", 443)


async def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("eloquent.foundation.ssrf.RESOLVE_LIMIT_S", 0.01)
    with pytest.raises(TimeoutError):
        await guard().addresses("tools.example.org", 443)


class _Heard:
    """What a server heard of its clients."""

    def __init__(self) -> None:
        self.port = 0
        self.names: list[str | None] = []
        self.heads: list[str] = []


@asynccontextmanager
async def answering(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[_Heard]:
    """A server on loopback that gives every request this answer."""
    heard = _Heard()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answer)
        writer.close()

    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: heard.names.append(name)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    heard.port = server.sockets[0].getsockname()[1]
    async with server:
        yield heard


async def got(rules: Guard, url: str, *, timeout_s: float = 5) -> httpx2.Response:
    transport = GuardedTransport(rules, most_bytes=1000)
    async with httpx2.AsyncClient(transport=transport, trust_env=False, timeout=timeout_s) as client:
        return await client.get(url)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def certificates(directory: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side and a client's that trusts it, for one name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    pem_key = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (directory / "server.pem").write_bytes(pem_key + pem)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(directory / "server.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_the_connection_goes_to_the_checked_address_under_the_names_own_certificate(
    resolving: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = certificates(tmp_path, "tools.example.org")
    monkeypatch.setattr(guarded_http, "_certificates", lambda: client)
    async with answering(OK, server) as heard:
        # A second look at the resolver would lead elsewhere.
        asked = resolving(["127.0.0.1"], ["192.0.2.1"])
        url = f"https://tools.example.org:{heard.port}/mcp"
        response = await got(guard(f"tools.example.org:{heard.port}"), url)
        assert (response.status_code, asked) == (200, ["tools.example.org"])
        assert heard.names == ["tools.example.org"]
        assert f"\r\nHost: tools.example.org:{heard.port}\r\n" in heard.heads[0]


async def test_another_names_certificate_is_refused(
    resolving: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = certificates(tmp_path, "other.example.org")
    monkeypatch.setattr(guarded_http, "_certificates", lambda: client)
    async with answering(OK, server) as heard:
        resolving(["127.0.0.1"])
        with pytest.raises(httpx2.ConnectError, match="certificate"):
            await got(guard(f"tools.example.org:{heard.port}"), f"https://tools.example.org:{heard.port}/mcp")
        assert heard.heads == []


async def test_a_name_that_resolves_into_our_network_is_not_connected_to(resolving: Callable[..., list[str]]) -> None:
    opened: list[Any] = []
    loop = asyncio.get_running_loop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "create_connection", lambda *to, **_: opened.append(to))
        resolving(["10.0.0.1"])
        with pytest.raises(httpx2.ConnectError, match="in a network of our own"):
            await got(guard(), "https://rebound.example.org/")
    assert opened == []


@pytest.mark.parametrize("addresses", [["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"]])
async def test_the_next_address_is_tried_when_one_does_not_answer(
    resolving: Callable[..., list[str]], addresses: list[str]
) -> None:
    async with answering(OK) as heard:
        resolving(addresses)
        response = await got(guard(f"http://mcp.internal:{heard.port}"), f"http://mcp.internal:{heard.port}/")
        assert response.text == "ok"


async def test_an_address_that_swallows_everything_leaves_time_for_the_next(
    resolving: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = httpcore2.AnyIOBackend.connect_tcp

    async def connect_tcp(self: Any, host: str, port: int, timeout: float, *rest: Any) -> Any:  # noqa: ASYNC109
        if host == "127.0.0.2":
            await asyncio.sleep(timeout)
            raise httpcore2.ConnectTimeout
        return await connect(self, host, port, timeout, *rest)

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", connect_tcp)
    async with answering(OK) as heard:
        resolving(["127.0.0.2", "127.0.0.1"])
        rules = guard(f"http://mcp.internal:{heard.port}")
        response = await got(rules, f"http://mcp.internal:{heard.port}/", timeout_s=0.5)
        assert response.text == "ok"


async def test_a_redirect_is_a_request_like_any_other() -> None:
    elsewhere = b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with answering(elsewhere) as heard:
        rules, url = guard(f"http://127.0.0.1:{heard.port}"), f"http://127.0.0.1:{heard.port}/"
        assert (await got(rules, url)).status_code == 307
        transport = GuardedTransport(rules, most_bytes=1000)
        async with httpx2.AsyncClient(
            transport=transport, follow_redirects=True, trust_env=False, timeout=30
        ) as client:
            with pytest.raises(httpx2.ConnectError, match="over https only"):
                await client.get(url)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001, "more than 1,000 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000, "more than 1,000 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", "compressed"),
    ],
    ids=["announced", "unannounced", "compressed"],
)
async def test_a_response_is_bounded(answer: bytes, sentence: str) -> None:
    async with answering(answer) as heard:
        with pytest.raises(httpx2.ReadError, match=sentence):
            await got(guard(f"http://127.0.0.1:{heard.port}"), f"http://127.0.0.1:{heard.port}/")
        assert "Accept-Encoding: identity" in heard.heads[0]


async def test_a_response_as_long_as_allowed_is_whole() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000) as heard:
        response = await got(guard(f"http://127.0.0.1:{heard.port}"), f"http://127.0.0.1:{heard.port}/")
        assert response.text == "x" * 1000
