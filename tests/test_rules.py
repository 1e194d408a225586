"""The project keeps the rules of `tests/rules.py`, and each of them finds what it is for."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.rules import LET_THROUGH, RULES, RULES_OF_TESTS, Rule
from tests.test_project import ROOT, modules, tracked

BROKEN = {
    "no_code_from_text": [
        "eval(text)",
        "exec(text)",
        "builtins.exec(text)",
        "__import__(name)",
        "compile(a, b, 'exec')",
    ],
    "no_objects_from_bytes": [
        "import pickle",
        "from pickle import loads",
        "import os, marshal",
        "yaml.load(text)",
        "yaml.full_load(text)",
    ],
    "no_shell": [
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=wanted)",
        "os.system(command)",
        "asyncio.create_subprocess_shell(command)",
    ],
    "no_unverified_tls": [
        "httpx.get(url, verify=False)",
        "session.get(url, ssl=False)",
        "context.verify_mode = ssl.CERT_NONE",
        "context.check_hostname = False",
        "ssl._create_unverified_context()",
    ],
    "no_markup_from_values": [
        "mark_safe(text)",
        "mark_safe(f'<b>{text}</b>')",
        "format_html(f'<b>{text}</b>')",
        "html.format_html('<b>' + text + '</b>')",
        "format_html('<b>%s</b>' % text)",
        "SafeString(text)",
    ],
    "no_stray_http_clients": [
        "httpx.AsyncClient()",
        "await httpx2.get(url)",
        "aiohttp.ClientSession()",
        "requests.get(url)",
        "urllib.request.urlopen(url)",
        "http.client.HTTPConnection(host)",
        "await asyncio.open_connection(host, 80)",
    ],
    "no_telling_comparison": [
        "token == given",
        "given != session.refresh_hash",
        "if stored.secret == x: pass",
        "expected_signature == signature",
    ],
    "no_queries_from_outside": [
        "users.find_one(body)",
        "users.find_one({'user_id': user, **params})",
        "users.find_one(json.loads(request.body))",
        "users.find({'email': orjson.loads(text)})",
        "users.insert_one({'raw': request.body})",
        "users.update_one({'_id': one}, data)",
        "UpdateOne({'_id': one}, payload)",
        "users.aggregate([{'$match': {'x': request.GET}}])",
    ],
    "no_secrets_in_logs": [
        "log.info('signed in', token=token)",
        "log.info('signed in', given=user.password)",
        "log.warning(f'refused {api_key}')",
        "logger.info('a %s', refresh_token)",
        "logging.info('%s', request.headers.authorization)",
        "self._log.error('x', ticket='y')",
    ],
    "no_shared_task_in_a_requests_context": [
        "if self._task is None or self._task.done(): self._task = asyncio.create_task(work())",
        "if task.done(): task = loop.create_task(work(), name='x')",
    ],
    "no_unnamed_patience": [
        "httpx.AsyncClient(base_url=server)",
        "await httpx2.AsyncClient().get(url)",
        "httpx.get(url)",
        "httpx.AsyncClient(**options)",
    ],
}
KEPT = {
    "no_code_from_text": ["re.compile(text)", "model.eval_count"],
    "no_objects_from_bytes": ["import json", "yaml.safe_load(text)"],
    "no_shell": ["subprocess.run(['ls'])", "subprocess.run(command, shell=False)"],
    "no_unverified_tls": ["httpx.get(url)", "client.get(url, verify=context)"],
    "no_markup_from_values": ["format_html('<b>{}</b>', text)", "mark_safe('<b>')"],
    "no_stray_http_clients": ["http_client()", "client.get(url)"],
    "no_telling_comparison": ["token == ''", "hmac.compare_digest(token, given)", "usage.tokens == 3", "kind == other"],
    "no_queries_from_outside": ["users.find_one({'email': email})", "text.find(query)", "users.find_one({**owner})"],
    "no_shared_task_in_a_requests_context": [
        "if task.done(): task = loop.create_task(work(), context=Context())",
        "if wanted: task = loop.create_task(work())",
    ],
    "no_unnamed_patience": ["httpx.get(url, timeout=30)", "http.get(url)", "httpx.AsyncClient(timeout=None)"],
    "no_secrets_in_logs": ["log.info('signed in', session=session_id)", "log.info('used', tokens=3)", "sign(token)"],
}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def keeps(rule: Rule, paths: list[Path]) -> None:
    allowed = LET_THROUGH.get(rule.__name__, {})
    broken = {
        f"{name}:{getattr(node, 'lineno', 0)}"
        for path in paths
        if (name := str(path.relative_to(ROOT))) not in allowed
        for node in rule(tree_of(path))
    }
    assert broken == set(), rule.__doc__
    # Whoever is let through needs it: what is kept for nothing hides the next one.
    assert [name for name in allowed if not list(rule(tree_of(ROOT / name)))] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    keeps(rule, modules())


@pytest.mark.parametrize("rule", RULES_OF_TESTS, ids=lambda rule: rule.__name__)
def test_the_tests_keep_the_rule(rule: Rule) -> None:
    keeps(rule, tracked("tests/*.py"))


@pytest.mark.parametrize(
    ("rule", "code"),
    [(rule, code) for rule in (*RULES, *RULES_OF_TESTS) for code in BROKEN[rule.__name__]],
    ids=lambda x: getattr(x, "__name__", str(x)[:40]),
)
def test_a_rule_finds_what_it_is_for(rule: Rule, code: str) -> None:
    place = f"async def planted():\n    {code}\n"
    assert list(rule(ast.parse(place)))


@pytest.mark.parametrize(
    ("rule", "code"),
    [(rule, code) for rule in (*RULES, *RULES_OF_TESTS) for code in KEPT[rule.__name__]],
    ids=lambda x: getattr(x, "__name__", str(x)[:40]),
)
def test_a_rule_lets_the_rest_be(rule: Rule, code: str) -> None:
    assert list(rule(ast.parse(f"async def planted():\n    {code}\n"))) == []


def test_our_templates_escape_what_they_show() -> None:
    templates = [path for path in ROOT.glob("*/templates/**/*.html") if ".venv" not in path.parts]
    assert len(templates) > 5
    for path in templates:
        text = path.read_text()
        for unsafe in ("|safe", "autoescape off", "style=", "<script>", "javascript:", " onclick="):
            assert unsafe not in text, f"{path.name} has {unsafe}"
