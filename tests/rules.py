"""What our code must not do, as rules over its syntax: each says where it was broken.

A rule is a function of one module's tree that yields the nodes that break it. `tests/test_rules.py` runs all of them
over the project, and each over a piece of code that breaks it.
"""

import ast
import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

Rule: TypeAlias = Callable[[ast.AST], Iterator[ast.AST]]

_SECRET: Final = re.compile(
    r"(?:^|_)(?:token|password|passwd|secret|ticket|api_key|private_key|signature|digest|authorization|cookie)$",
    re.IGNORECASE,
)
_HASHED: Final = re.compile(r"(?:^|_)(?:hash|digest|signature|mac|token|secret|password|ticket)$", re.IGNORECASE)
_LOG_METHODS: Final = {"debug", "info", "warning", "error", "exception", "critical", "log", "msg"}
_LOGGERS: Final = {"log", "logger", "access_log", "logging"}
_QUERIES: Final = {
    *("find", "find_one", "find_one_and_update", "find_one_and_delete", "find_one_and_replace", "count_documents"),
    *(
        "update_one",
        "update_many",
        "delete_one",
        "delete_many",
        "replace_one",
        "insert_one",
        "insert_many",
        "aggregate",
    ),
    *("distinct", "UpdateOne", "InsertOne", "DeleteOne", "ReplaceOne", "UpdateMany", "DeleteMany"),
}
_FROM_OUTSIDE: Final = {"request", "body", "payload", "data", "params", "json", "frame", "kwargs"}
_HTTP_CLIENTS: Final = {
    *("httpx.AsyncClient", "httpx.Client", "httpx.get", "httpx.post", "httpx.stream", "httpx.request"),
    *("httpx2.AsyncClient", "httpx2.Client", "httpx2.get", "httpx2.post", "httpx2.request"),
    *("aiohttp.ClientSession", "aiohttp.request", "requests.get", "requests.post", "requests.Session"),
    *("requests.request", "urllib.request.urlopen", "urlopen", "http.client.HTTPConnection"),
    *("http.client.HTTPSConnection", "HTTPConnection", "HTTPSConnection", "asyncio.open_connection"),
    *("socket.create_connection", "websockets.connect"),
}


def _name_of(node: ast.AST) -> str:
    """`a.b.c` of a name or an attribute; of anything else its last part that has a name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _name_of(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    if isinstance(node, ast.Await | ast.Starred):
        return _name_of(node.value)
    return ""


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield _name_of(node.func), node


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def no_code_from_text(tree: ast.AST) -> Iterator[ast.AST]:
    """`eval`, `exec`, `compile`, `__import__`: text is not code."""
    for name, call in _calls(tree):
        if name.removeprefix("builtins.") in {"eval", "exec", "compile", "__import__"}:
            yield call


def no_objects_from_bytes(tree: ast.AST) -> Iterator[ast.AST]:
    """pickle and its like build any object, and so run any code; `yaml.load` does, too."""
    barred = {"pickle", "cPickle", "dill", "marshal", "shelve", "jsonpickle", "cloudpickle"}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        if barred & {name.partition(".")[0] for name in names}:
            yield node
    for name, call in _calls(tree):
        if name in {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"}:
            yield call


def no_shell(tree: ast.AST) -> Iterator[ast.AST]:
    """A command is a list of words; a shell reads more into them."""
    for name, call in _calls(tree):
        shell = _keyword(call, "shell")
        if (
            name in {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
            or (shell is not None and not _is(shell, False))
            or name.endswith("create_subprocess_shell")
        ):
            yield call


def no_unverified_tls(tree: ast.AST) -> Iterator[ast.AST]:
    """Whoever does not look at the certificate speaks to anybody."""
    for name, call in _calls(tree):
        if _is(_keyword(call, "verify"), False) or _is(_keyword(call, "ssl"), False):
            yield call
        if name.endswith("_create_unverified_context"):
            yield call
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "CERT_NONE":
            yield node
        if isinstance(node, ast.Assign) and _is(node.value, False):
            yield from (target for target in node.targets if _name_of(target).endswith(".check_hostname"))


def no_markup_from_values(tree: ast.AST) -> Iterator[ast.AST]:
    """`mark_safe` of anything but a literal, and `format_html` of a text that was put together before."""
    for name, call in _calls(tree):
        last, first = name.rpartition(".")[2], call.args[0] if call.args else None
        if last in {"mark_safe", "SafeString", "SafeText", "format_html"} and not (
            isinstance(first, ast.Constant) and isinstance(first.value, str)
        ):
            yield call


def no_stray_http_clients(tree: ast.AST) -> Iterator[ast.AST]:
    """Requests of ours go through the rooms that know where they may go, and for how long."""
    for name, call in _calls(tree):
        if name in _HTTP_CLIENTS:
            yield call


def no_telling_comparison(tree: ast.AST) -> Iterator[ast.AST]:
    """`==` on secrets takes longer the more of them is right: `hmac.compare_digest` does not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
            sides = [node.left, node.comparators[0]]
            if any(isinstance(side, ast.Constant) for side in sides):
                continue
            if any(_HASHED.search(_name_of(side).rpartition(".")[2]) for side in sides):
                yield node


def no_queries_from_outside(tree: ast.AST) -> Iterator[ast.AST]:
    """A query, or a document, is written here, field by field: `{"$ne": null}` from outside matches everybody."""
    for name, call in _calls(tree):
        if name.rpartition(".")[2] not in _QUERIES or not ("." in name or name[0].isupper()):
            continue
        for argument in call.args:
            if isinstance(argument, ast.Name) and argument.id in _FROM_OUTSIDE:
                yield call
            for node in ast.walk(argument):
                if isinstance(node, ast.Attribute) and node.attr in {"body", "GET", "POST", "META", "COOKIES"}:
                    yield call
                if isinstance(node, ast.Dict):
                    spread = (v for k, v in zip(node.keys, node.values, strict=True) if k is None)
                    yield from (call for value in spread if _name_of(value).partition(".")[0] in _FROM_OUTSIDE)
                if isinstance(node, ast.Call) and _name_of(node.func).rpartition(".")[2] == "loads":
                    yield call


def no_secrets_in_logs(tree: ast.AST) -> Iterator[ast.AST]:
    """A log names what happened to whom, and holds no secret."""
    for name, call in _calls(tree):
        logger, _, method = name.rpartition(".")
        if method not in _LOG_METHODS or logger.rpartition(".")[2].lstrip("_") not in _LOGGERS:
            continue
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            for node in ast.walk(argument):
                if isinstance(node, ast.Name | ast.Attribute) and _SECRET.search(_name_of(node).rpartition(".")[2]):
                    yield call
        yield from (call for keyword in call.keywords if keyword.arg and _SECRET.search(keyword.arg))


def no_shared_task_in_a_requests_context(tree: ast.AST) -> Iterator[ast.AST]:
    """A task that is made when the one before is done works for everybody: not in the trace of who came first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and any(name.endswith(".done") for name, _ in _calls(node.test)):
            for statement in node.body:
                for name, call in _calls(statement):
                    if name.endswith("create_task") and _keyword(call, "context") is None:
                        yield call


def no_unnamed_patience(tree: ast.AST) -> Iterator[ast.AST]:
    """httpx waits five seconds where nothing is said: a process may stand still for so long on a busy machine."""
    asking = {"AsyncClient", "Client", "delete", "get", "head", "options", "patch", "post", "put", "request", "stream"}
    for name, call in _calls(tree):
        package, _, last = name.partition(".")
        if package in {"httpx", "httpx2"} and last in asking and _keyword(call, "timeout") is None:
            yield call


RULES: Final[tuple[Rule, ...]] = (
    no_code_from_text,
    no_objects_from_bytes,
    no_shell,
    no_unverified_tls,
    no_markup_from_values,
    no_stray_http_clients,
    no_telling_comparison,
    no_queries_from_outside,
    no_secrets_in_logs,
    no_shared_task_in_a_requests_context,
)
RULES_OF_TESTS: Final[tuple[Rule, ...]] = (no_unnamed_patience,)
"""What our tests must not do."""

LET_THROUGH: Final[dict[str, dict[str, str]]] = {
    "no_unverified_tls": {
        "eloquent/serving/probe.py": "asks the server of its own container, which has made its certificate itself",
    },
    "no_markup_from_values": {
        "eloquent/page_nonces.py": "tags that Django's Media has made, of names of static files",
    },
    "no_stray_http_clients": {
        "eloquent/foundation/http.py": "the one client of model servers",
        "inference/providers/anthropic.py": "over that client's transport",
        "deploy/smoke.py": "asks what was deployed, from outside and without any of our packages",
        "inference/providers/bedrock.py": "asks whether anything listens there",
        "inference/tools/mcp_client.py": "over the guarded transport",
        "eloquent/serving/probe.py": "asks the server of its own container",
        "eloquent/embedded/web.py": "asks the server that it started whether it is ready",
        "eloquent/embedded/llamacpp.py": "as above",
        "eloquent/embedded/ports.py": "looks whether a port of this machine is free",
        "eloquent/embedded/valkey.py": "asks the server that it started whether it is ready",
    },
}
"""Rule → module → why it may."""
