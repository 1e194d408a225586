"""`python -m deploy.smoke https://api.example.org`: is what was deployed usable, seen from outside as a client sees it.

With SMOKE_EMAIL and SMOKE_PASSWORD in its environment it also signs in and has one answer streamed. The standard
library is enough for it; it ends with 0 when all is well. What it says holds no token and no password.
"""

import http.client
import json
import os
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 30
ANSWER_TIMEOUT_S: Final = 120
"""Between two pieces of an answer; the server sends a sign of life far more often."""
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}
API: Final = "/api/v1"
USER_AGENT: Final = "eloquent-smoke"
QUESTION: Final = "Say yes."


class Unwell(Exception):
    """What a client would run into."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; the names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """What is in it.

        Raises:
            Unwell: no JSON is.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unwell("no JSON came back") from None


class Site:
    """A server at an address."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise Unwell(f"{address}: https:// and a name are expected, without a path")
        self.secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port

    def connection(self, timeout_s: float = TIMEOUT_S) -> http.client.HTTPConnection:
        """A new one; over TLS only with a certificate that is good for the name, and nothing older than 1.2."""
        if not self.secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout_s, context=context)

    def ask(self, method: str, path: str, *, body: Any = None, token: str = "") -> Reply:
        """One request, one answer."""
        connection = self.connection()
        try:
            self.send(connection, method, path, body=body, token=token)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, headers, answer.read())
        finally:
            connection.close()

    def send(
        self, connection: http.client.HTTPConnection, method: str, path: str, *, body: Any, token: str, accept: str = ""
    ) -> None:
        """A request on a connection; its answer is the caller's."""
        # The firewall stops whoever does not say what they are.
        headers = {"Accept": accept or "*/*", "User-Agent": USER_AGENT}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)


def _expect(reply: Reply, status: int, what: str) -> Reply:
    if reply.status != status:
        raise Unwell(f"{what}: {reply.status} instead of {status}")
    return reply


def alive(site: Site) -> None:
    """The process turns."""
    _expect(site.ask("GET", "/healthz"), 200, "/healthz")


def ready(site: Site) -> None:
    """The database, the cache and the migrations are there."""
    reply = site.ask("GET", "/readyz")
    if reply.status != HTTPStatus.OK:
        checks = reply.json().get("checks", [])
        failed = ", ".join(str(check.get("name")) for check in checks if not check.get("ok"))
        raise Unwell(f"/readyz: {reply.status} ({failed or 'it does not say what'})")


def interface(site: Site) -> None:
    """The interface describes itself."""
    document = _expect(site.ask("GET", f"{API}/openapi.json"), 200, "openapi.json").json()
    if f"{API}/conversations" not in document.get("paths", {}):
        raise Unwell("openapi.json describes no conversations")


def headers(site: Site) -> None:
    """What protects browsers. Over https also that they come back over https."""
    reply = site.ask("GET", f"{API}/openapi.json")
    wrong = [name for name, value in HEADERS.items() if reply.headers.get(name) != value]
    wrong += [name for name in ("content-security-policy",) if name not in reply.headers]
    if site.secure and "max-age=" not in reply.headers.get("strict-transport-security", ""):
        wrong.append("strict-transport-security")
    if wrong:
        raise Unwell(f"these headers are missing or others: {', '.join(wrong)}")


def console(site: Site) -> None:
    """The page on which staff sign in, and the style sheet that it names."""
    reply = _expect(site.ask("GET", "/admin/login/"), 200, "/admin/login/")
    page = reply.body.decode("utf-8", "replace")
    if 'name="password"' not in page:
        raise Unwell("/admin/login/ asks for no password")
    sheets = [part.partition('"')[0] for part in page.split('href="')[1:]]
    sheet = next((path for path in sheets if path.startswith("/static/") and ".css" in path), None)
    if sheet is None:
        raise Unwell("/admin/login/ names no style sheet")
    _expect(site.ask("GET", sheet), 200, "its style sheet")


def stranger(site: Site) -> None:
    """Nobody's conversations are shown to nobody."""
    _expect(site.ask("GET", f"{API}/conversations"), 401, "conversations without a token")


def answer(site: Site, email: str, password: str) -> None:
    """A user signs in, asks, is answered in pieces, and leaves nothing behind."""
    reply = site.ask("POST", f"{API}/auth/login", body={"email": email, "password": password})
    token = _expect(reply, 200, "sign-in").json().get("access_token")
    if not token:
        raise Unwell("sign-in: no token; the test user must have no second factor")
    created = _expect(site.ask("POST", f"{API}/conversations", body={}, token=token), 201, "a conversation")
    path = f"{API}/conversations/{created.json()['id']}"
    try:
        events = list(_streamed(site, f"{path}/runs", token))
        if events[-1:] != ["[DONE]"]:
            raise Unwell(f"the answer has no end ({len(events)} pieces)")
        kinds = {json.loads(event).get("type") for event in events[:-1]}
        if "error" in kinds or "text-delta" not in kinds:
            raise Unwell(f"the answer holds no words: {', '.join(sorted(map(str, kinds)))}")
    finally:
        site.ask("DELETE", path, token=token)
        site.ask("POST", f"{API}/auth/logout", token=token)


def _streamed(site: Site, path: str, token: str) -> Iterator[str]:
    connection = site.connection(ANSWER_TIMEOUT_S)
    try:
        body = {"parts": [{"type": "text", "text": QUESTION}]}
        site.send(connection, "POST", path, body=body, token=token, accept="text/event-stream")
        reply = connection.getresponse()
        if reply.status != HTTPStatus.OK or "text/event-stream" not in reply.getheader("Content-Type", ""):
            raise Unwell(f"a question: {reply.status}, {reply.getheader('Content-Type', 'of no type')}")
        while line := reply.readline():
            if line.startswith(b"data: "):
                yield line.removeprefix(b"data: ").decode().strip()
    finally:
        connection.close()


def checks_of(environment: Mapping[str, str]) -> dict[str, Callable[[Site], None]]:
    """What is asked, by what is said of it."""
    checks: dict[str, Callable[[Site], None]] = {
        "alive": alive,
        "ready": ready,
        "interface": interface,
        "headers": headers,
        "console": console,
        "stranger": stranger,
    }
    if environment.get("SMOKE_EMAIL") and environment.get("SMOKE_PASSWORD"):
        email, password = environment["SMOKE_EMAIL"], environment["SMOKE_PASSWORD"]
        checks["answer"] = lambda site: answer(site, email, password)
    return checks


def faults_of(address: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Check → what is wrong, "" for nothing. One that fails does not keep the others from being asked."""
    try:
        site = Site(address)
    except Unwell as unwell:
        return {"address": str(unwell)}
    found = {}
    for name, check in checks_of(environment).items():
        try:
            check(site)
            found[name] = ""
        except Unwell as unwell:
            found[name] = str(unwell)
        except (OSError, http.client.HTTPException) as error:
            # TLS, names and connections; none of these quotes what was sent.
            found[name] = f"{type(error).__name__}: {error}"
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            found[name] = f"an answer of another shape ({type(error).__name__})"
    return found


def main(argv: Sequence[str]) -> int:
    """0 when all is well, 1 when something is not, 2 without an address."""
    if len(argv) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    found = faults_of(argv[0], os.environ)
    for name, fault in found.items():
        sys.stdout.write(f"{'FAULT' if fault else 'ok   '} {name}{': ' if fault else ''}{fault}\n")
    if "answer" not in found:
        sys.stdout.write("      answer: not asked for, without SMOKE_EMAIL and SMOKE_PASSWORD\n")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
