"""`python -m deploy.smoke`: well against the real server, and red against each thing that can be wrong."""

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chat import titling
from deploy import smoke
from inference.catalog import offering
from tests.chat.conftest import SCRIPTED, LanguageModel
from tests.people import PASSWORD, Person

GOOD_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'",
}
PAGE = '<link href="/static/a.0123.css"><input name="password">'
STREAM = 'data: {"type":"text-delta","delta":"Yes."}\n\ndata: [DONE]\n\n'
KNOWN = {"SMOKE_EMAIL": "ann@example.org", "SMOKE_PASSWORD": "a secret of hers"}


def _good():
    return {
        ("GET", "/healthz"): (200, "{}"),
        ("GET", "/readyz"): (200, "{}"),
        ("GET", "/api/v1/openapi.json"): (200, json.dumps({"paths": {"/api/v1/conversations": {}}})),
        ("GET", "/admin/login/"): (200, PAGE),
        ("GET", "/static/a.0123.css"): (200, ""),
        ("GET", "/api/v1/conversations"): (401, "{}"),
        ("POST", "/api/v1/auth/login"): (200, json.dumps({"access_token": "a-token-of-hers"})),
        ("POST", "/api/v1/conversations"): (201, json.dumps({"id": "c1"})),
        ("POST", "/api/v1/conversations/c1/runs"): (200, STREAM),
        ("DELETE", "/api/v1/conversations/c1"): (204, ""),
        ("POST", "/api/v1/auth/logout"): (204, ""),
    }


@contextmanager
def _serving(answers, headers=GOOD_HEADERS, context: ssl.SSLContext | None = None) -> Iterator[tuple[str, list]]:
    """A server that says what it is told to."""
    asked: list = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.headers.get("User-Agent"):
                self.send_error(403)  # as the firewall does
                return
            asked.append((self.command, self.path))
            status, body = answers.get((self.command, self.path), (404, ""))
            self.send_response(status)
            stream = self.path.endswith("/runs")
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "text/event-stream" if stream else "text/plain")
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _faults(answers, **options):
    with _serving(answers, **options) as (address, _):
        return {name: fault for name, fault in smoke.faults_of(address, KNOWN).items() if fault}


async def test_the_real_server_is_well(server, db):
    async with Person(server, "smoke") as person:
        known = {"SMOKE_EMAIL": person.email, "SMOKE_PASSWORD": PASSWORD}
        with offering(SCRIPTED, LanguageModel().provider):
            found = await asyncio.to_thread(smoke.faults_of, server, known)
            await titling.end()
        assert found == dict.fromkeys(smoke.checks_of(known), "")
        assert "answer" in found
        assert (await person.ok("GET", "/conversations"))["items"] == []


async def test_a_server_whose_language_model_is_gone_is_not_well(server, db):
    async with Person(server, "smoke") as person:
        known = {"SMOKE_EMAIL": person.email, "SMOKE_PASSWORD": PASSWORD}
        found = await asyncio.to_thread(smoke.faults_of, server, known)
        assert [name for name, fault in found.items() if fault] == ["answer"]


def test_a_server_that_is_well_is_asked_everything_and_left_as_it_was():
    with _serving(_good()) as (address, asked):
        assert not any(smoke.faults_of(address, KNOWN).values())
    assert set(asked) == set(_good())
    assert asked[-2:] == [("DELETE", "/api/v1/conversations/c1"), ("POST", "/api/v1/auth/logout")]


@pytest.mark.parametrize(
    ("check", "method", "path", "answer", "told"),
    [
        ("alive", "GET", "/healthz", (502, ""), "502"),
        ("ready", "GET", "/readyz", (503, '{"checks": [{"name": "redis", "ok": false}]}'), "503 (redis)"),
        ("ready", "GET", "/readyz", (503, "<html>"), "no JSON"),
        ("interface", "GET", "/api/v1/openapi.json", (200, '{"paths": {}}'), "no conversations"),
        ("console", "GET", "/admin/login/", (200, "<html>"), "no password"),
        ("console", "GET", "/static/a.0123.css", (404, ""), "its style sheet: 404"),
        ("stranger", "GET", "/api/v1/conversations", (200, "[]"), "200 instead of 401"),
        ("answer", "POST", "/api/v1/auth/login", (401, "{}"), "sign-in: 401"),
        ("answer", "POST", "/api/v1/auth/login", (200, "{}"), "no second factor"),
        ("answer", "POST", "/api/v1/conversations/c1/runs", (503, ""), "a question: 503"),
        ("answer", "POST", "/api/v1/conversations/c1/runs", (200, "data: [DONE]\n\n"), "holds no words"),
        (
            "answer",
            "POST",
            "/api/v1/conversations/c1/runs",
            (200, 'data: {"type":"text-delta","delta":"Yes"}\n\n'),
            "has no end",
        ),
        (
            "answer",
            "POST",
            "/api/v1/conversations/c1/runs",
            (200, 'data: {"type":"error","errorText":"x"}\n\ndata: [DONE]\n\n'),
            "holds no words",
        ),
    ],
)
def test_what_is_wrong_is_told_and_only_that(check, method, path, answer, told):
    faults = _faults(_good() | {(method, path): answer})
    assert list(faults) == [check]
    assert told in faults[check]


@pytest.mark.parametrize("missing", list(GOOD_HEADERS))
def test_each_header_that_protects_is_missed(missing):
    headers = {name: value for name, value in GOOD_HEADERS.items() if name != missing}
    assert _faults(_good(), headers=headers) == {"headers": f"these headers are missing or others: {missing.lower()}"}


def test_a_conversation_of_the_test_user_is_deleted_even_when_its_answer_fails():
    with _serving(_good() | {("POST", "/api/v1/conversations/c1/runs"): (500, "")}) as (address, asked):
        smoke.faults_of(address, KNOWN)
    assert ("DELETE", "/api/v1/conversations/c1") in asked


@pytest.fixture
def context_for(monkeypatch, tmp_path):
    """What a server for an address or a name has, by a certificate that this process believes."""

    def make(subject: x509.GeneralName) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        builder = builder.add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        certificate, file = builder.sign(key, hashes.SHA256()), tmp_path / "certificate.pem"
        kind = serialization.Encoding.PEM
        private = key.private_bytes(kind, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(certificate.public_bytes(kind) + private)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    return make


LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))


def test_over_https_browsers_must_be_kept_there(context_for):
    context = context_for(LOOPBACK)
    assert _faults(_good(), context=context) == {
        "headers": "these headers are missing or others: strict-transport-security"
    }
    kept = GOOD_HEADERS | {"Strict-Transport-Security": "max-age=31536000"}
    assert _faults(_good(), headers=kept, context=context) == {}


def test_a_certificate_for_another_name_is_no_certificate(context_for):
    faults = _faults(_good(), context=context_for(x509.DNSName("api.example.org")))
    assert set(faults) == set(smoke.checks_of(KNOWN))
    assert all("CERTIFICATE_VERIFY_FAILED" in fault for fault in faults.values())


@pytest.mark.parametrize("address", ["api.example.org", "ftp://x", "https://", "https://api.example.org/api"])
def test_only_an_address_is_an_address(address, capsys):
    assert smoke.main([address]) == 1
    assert "https:// and a name are expected" in capsys.readouterr().out


def test_nobody_there_is_a_fault_and_no_traceback(capsys):
    assert smoke.main(["http://127.0.0.1:9"]) == 1
    assert "FAULT alive: ConnectionRefusedError" in capsys.readouterr().out


def test_the_report_holds_neither_token_nor_password(monkeypatch, capsys):
    for name, value in KNOWN.items():
        monkeypatch.setenv(name, value)
    broken = (200, "data: nonsense\n\ndata: [DONE]\n\n")
    for answers in (_good(), _good() | {("POST", "/api/v1/conversations/c1/runs"): broken}):
        with _serving(answers) as (address, _):
            smoke.main([address])
        said = capsys.readouterr().out
        assert "answer" in said
        assert "a-token-of-hers" not in said
        assert KNOWN["SMOKE_PASSWORD"] not in said


def test_without_an_account_no_answer_is_asked_for_and_that_is_said(monkeypatch, capsys):
    for name in KNOWN:
        monkeypatch.delenv(name, raising=False)
    with _serving(_good()) as (address, asked):
        assert smoke.main([address]) == 0
    assert "not asked for" in capsys.readouterr().out
    assert not [each for each in asked if each[0] == "POST"]
