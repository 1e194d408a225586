"""The settings of MCP servers: what is wrong with one is said, and the others are there."""

import json
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from eloquent.foundation.config import Config, effective_settings, get_config, load_config
from inference import checks
from inference.checks import check_tools
from inference.tools.mcp_settings import mcp_settings

GOOD = {"url": "https://tools.example.org/mcp"}


@pytest.fixture(autouse=True)
def _fresh_config() -> Iterator[None]:
    get_config.cache_clear()
    yield
    get_config.cache_clear()


def read(servers: Any, *allowed: str) -> Any:
    text = servers if isinstance(servers, str) else json.dumps(servers)
    return mcp_settings(Config(mcp_servers=SecretStr(text), mcp_allowed_hosts=allowed))


def test_nothing_is_nothing() -> None:
    assert (read("").servers, read("").faults) == ({}, [])


def test_everything_that_can_be_said_of_a_server_is_read() -> None:
    whole = GOOD | {"token": "s3cret", "tools": ["a"], "needs_approval": False, "permission": "tools.search"}
    settings = read({"one-2": whole})
    assert settings.faults == []
    server = settings.servers["one-2"]
    assert server.token.get_secret_value() == "s3cret"
    assert server.model_dump(exclude={"token"}) == {key: value for key, value in whole.items() if key != "token"}
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("servers", "sentence"),
    [
        ("not json", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ({f"s{number}": GOOD for number in range(21)}, "at most 20"),
        ({"Upper": GOOD}, "a name is"),
        ({"two__parts": GOOD}, "a name is"),
        ({"": GOOD}, "a name is"),
        ({"x" * 25: GOOD}, "a name is"),
        ({"one": "https://tools.example.org"}, "it: Input should be"),
        ({"one": {}}, "url: Field required"),
        ({"one": GOOD | {"tokn": "hunter2"}}, "tokn: Extra inputs"),
        ({"one": GOOD | {"token": ["hunter2"]}}, "token: Input should be"),
        ({"one": GOOD | {"token": "hunter2\r\nX: y"}}, "no header can carry"),
        ({"one": GOOD | {"token": ""}}, "no header can carry"),
        ({"one": GOOD | {"tools": "a,b"}}, "tools"),
        ({"one": GOOD | {"tools": [1]}}, "tools"),
        ({"one": {"url": "http://tools.example.org/mcp"}}, "over https only"),
        ({"one": {"url": "https://127.0.0.1/mcp"}}, "See MCP_ALLOWED_HOSTS"),
        ({"one": {"url": "https://ann:hunter2@tools.example.org/mcp"}}, "a user or a password"),
    ],
)
def test_what_is_wrong_is_said_without_its_secret_and_the_others_are_there(servers: Any, sentence: str) -> None:
    if isinstance(servers, dict) and len(servers) == 1:
        servers = servers | {"good": GOOD}
        assert list(read(servers).servers) == ["good"]
    (fault,) = read(servers).faults
    assert fault.startswith("MCP_SERVERS: ")
    assert sentence in fault
    assert fault.endswith(".")
    assert "hunter2" not in fault


def test_a_host_that_cannot_be_read_is_said_and_opens_nothing() -> None:
    settings = read({"one": {"url": "http://127.0.0.1:9000/mcp"}}, "127.0.0.1:9000/mcp", "http://127.0.0.1:9000")
    assert settings.faults == ["MCP_ALLOWED_HOSTS: 127.0.0.1:9000/mcp is more than a host and a port."]
    assert list(settings.servers) == ["one"]


@given(st.text() | st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(json.dumps))
def test_any_text_is_read_without_harm(text: str) -> None:
    read(text, text[:50])


def test_the_setting_can_stand_in_the_file_and_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Config.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    servers = json.dumps({"one": GOOD | {"token": "hunter2"}})
    Path(".env").write_text(f"MCP_SERVERS='{servers}'\nMCP_ALLOWED_HOSTS=http://127.0.0.1:9000, mcp.internal\n")
    config = load_config()
    assert mcp_settings(config).faults == []
    assert list(mcp_settings(config).servers) == ["one"]
    shown = {setting.name: setting.shown for setting in effective_settings(config)}
    assert shown["MCP_SERVERS"] == "********"
    assert shown["MCP_ALLOWED_HOSTS"] == "http://127.0.0.1:9000,mcp.internal"
    assert "hunter2" not in f"{config!r}{shown}"


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, []),
        ({"MCP_SERVERS": json.dumps({"one": GOOD})}, []),
        ({"MCP_SERVERS": "{"}, ["inference.W008"]),
        ({"MCP_SERVERS": json.dumps({"one": GOOD | {"tokn": "hunter2"}, "Two": GOOD})}, ["inference.W008"] * 2),
        ({"MCP_ALLOWED_HOSTS": "a/b"}, ["inference.W008"]),
    ],
    ids=str,
)
def test_the_check_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], found: list[str]
) -> None:
    for name in ("MCP_SERVERS", "MCP_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    messages = check_tools()
    assert [message.id for message in messages] == found
    for message in messages:
        assert message.hint
        assert not message.is_serious()
        assert "hunter2" not in f"{message.msg}{message.hint}"


def test_the_check_says_that_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_SERVERS", json.dumps({"one": GOOD}))
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "mcp" else util.find_spec(name))
    (message,) = check_tools()
    assert message.id == "inference.W009"
    assert message.msg == "MCP_SERVERS names one, but the package mcp is not installed."


def test_django_knows_the_check() -> None:
    from django.core.checks.registry import registry

    assert check_tools in registry.registered_checks
