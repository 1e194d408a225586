"""No secret of a test run stands in what the run logged: kept, compared at the end, and the run fails.

*Kept* is every line that this process logs, as production's formatter writes it, from INFO on (our own rooms from DEBUG
on), and what the servers that tests start as processes write. *Secrets* are those that HTTP clients meet in answers,
requests and cookies, those of the configuration, and whatever a test gives to `remember`; beside them some shapes are
looked for that only secrets have.

Each process of a parallel run has a keeper of its own; those of xdist's workers tell the controller what they found.
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson

from eloquent.embedded.base import EmbeddedServer
from eloquent.foundation.config import Config
from eloquent.foundation.ids import is_id
from eloquent.foundation.logs import JsonLines

# Anything shorter is a word that may stand in a log by chance.
SHORTEST: Final = 12
OUR_ROOMS: Final = ("accounts", "chat", "inference", "eloquent")
SECRET_NAMES: Final = frozenset(
    {"access_token", "refresh_token", "ticket", "secret", "password", "new_password", "current_password", "token"}
)
_TELLS: Final = re.compile(rb'"(?:\w*token|ticket|secret|\w*password|url)"')
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{12,}")
SHAPES: Final = {
    "an API key": re.compile(r"sk-eloquent-[0-9a-f]{9,}"),
    "an access token": re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "an address with a password": re.compile(r"\b(?:mongodb(?:\+srv)?|rediss?|https?)://[^\s/:@\"]*:(?!\*)[^\s/@\"]+@"),
    "a private key": re.compile(r"PRIVATE KEY-----(?:\\n|\s)*[A-Za-z0-9+/]{20}"),
    "a ticket in a subprotocol or query": re.compile(r"ticket[.=][A-Za-z0-9_-]{20,}"),
}


class Keeper(logging.Handler):
    """Keeps what is logged, and the secrets that must not stand in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.path = path
        self.files: set[Path] = {path}
        self._secrets: dict[str, str] = {}
        self._phrases: dict[str, str] = {}
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._file.write(self.format(record) + "\n")

    def remember(self, secret: str, what: str) -> None:
        """Look for this at the end."""
        if len(secret) < SHORTEST:
            return
        if words := _WORD.findall(secret):
            # Of an access token the signature: the rest of it may be known.
            self._secrets[words[-1] if secret.startswith("eyJ") else max(words, key=len)] = what
        else:
            self._phrases[secret] = what

    def leaks(self) -> list[str]:
        """A sentence for each secret that was logged, without the secret."""
        self._file.flush()
        found: dict[str, None] = {}
        for path in self.files:
            if path.exists():
                text = path.read_text(encoding="utf-8", errors="replace")
                for number, line in enumerate(text.splitlines(), 1):
                    found |= dict.fromkeys(
                        f"{path.name}:{number} has {what}: {shown}" for what, shown in self._in(line)
                    )
        return [*found]

    def _in(self, line: str) -> Iterable[tuple[str, str]]:
        for word in _WORD.findall(line):
            if (what := self._secrets.get(word)) is not None:
                yield what, _masked(line, word)
        for phrase, what in self._phrases.items():
            if phrase in line:
                yield what, _masked(line, phrase)
        for what, shape in SHAPES.items():
            if match := shape.search(line):
                yield what, _masked(line, match[0])


def _masked(line: str, secret: str) -> str:
    at = line.index(secret)
    return f"{line[max(0, at - 200) : at]}[{len(secret)} characters]{line[at + len(secret) :][:60]}"


def listen(keeper: Keeper) -> None:
    """See that the keeper hears everything; a test may have configured logging anew."""
    root = logging.getLogger()
    if keeper not in root.handlers:
        root.addHandler(keeper)
        root.setLevel(logging.INFO)
        for handler in root.handlers:  # what people read stays as it was
            if type(handler) is logging.StreamHandler:
                handler.setLevel(logging.WARNING)
        for room in OUR_ROOMS:
            logging.getLogger(room).setLevel(logging.DEBUG)


def remember_config(keeper: Keeper, config: Config) -> None:
    """The secrets of the configuration."""
    keeper.remember(config.secret_key.get_secret_value(), "SECRET_KEY")
    for line in config.jwt_private_key.get_secret_value().splitlines():
        if "-----" not in line:
            keeper.remember(line, "JWT_PRIVATE_KEY")
    for uri in (config.mongodb_uri, config.redis_url):
        if uri is not None and (password := urlsplit(uri.get_secret_value()).password):
            keeper.remember(password, "a database's password")


def watch_clients(keeper: Keeper, patch: Any) -> None:
    """Have every HTTP client of this process give the keeper the secrets that it sends and gets."""
    send, send_async = httpx.Client.send, httpx.AsyncClient.send

    def sent(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        response = send(client, request, **options)
        _look(keeper, request, response)
        return response

    async def sent_async(client: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        response = await send_async(client, request, **options)
        _look(keeper, request, response)
        return response

    patch.setattr(httpx.Client, "send", sent)
    patch.setattr(httpx.AsyncClient, "send", sent_async)


def watch_servers(keeper: Keeper, patch: Any) -> None:
    """Read the logs of servers that tests start as processes."""
    start: Callable[..., Any] = EmbeddedServer.start

    def started(server: EmbeddedServer, *arguments: Any, **options: Any) -> Any:
        keeper.files.add(server.log_path)
        return start(server, *arguments, **options)

    patch.setattr(EmbeddedServer, "start", started)


def _look(keeper: Keeper, request: httpx.Request, response: httpx.Response) -> None:
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    # Ids are tried in the place of tokens, and are none: the log has them.
    if credentials and kind.lower() == "bearer" and not is_id(credentials):
        keeper.remember(credentials, "a token in an Authorization header")
    for cookie in response.headers.get_list("set-cookie"):
        name, _, value = cookie.partition(";")[0].partition("=")
        keeper.remember(value.strip('"'), f"the cookie {name}")
    for body in (_content(request), _content(response)):
        if _TELLS.search(body):
            try:
                _walk(keeper, orjson.loads(body))
            except orjson.JSONDecodeError:
                continue


def _content(message: Any) -> bytes:
    """What is there already: nothing is read for our sake."""
    content = getattr(message, "_content", b"")
    return content if isinstance(content, bytes) and len(content) < 100_000 else b""


def _walk(keeper: Keeper, value: Any) -> None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(inner, str):
                _walk(keeper, inner)
            elif name in SECRET_NAMES:
                keeper.remember(inner, f"a value of “{name}”")
            elif name == "url" and "/content/" in inner:
                keeper.remember(inner.rpartition("/")[2], "a signed address")
    elif isinstance(value, list):
        for inner in value:
            _walk(keeper, inner)
