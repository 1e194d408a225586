"""Schemathesis against a server that runs: requests of every kind, alone and in the order in which people make them.

It learns from the OpenAPI document which answers lead to which requests (a conversation's id to its messages, a run's
to its stream) and follows them at random, for as long as it is given. `schemathesis.toml` says what is asked and what
not, each with its reason.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.documented import closed
from tests.people import PASSWORD

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).with_name("schemathesis.toml")
PEOPLE = ("ann", "bob")


class Fuzzer:
    """Schemathesis with people of its own at the server. What it remembers between runs lies in `directory`."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url = url
        self._directory = directory.resolve()
        self._directory.mkdir(parents=True, exist_ok=True)
        self._write("people.json", {"auth": [_sign_in_of(name) for name in PEOPLE]})
        self._write("openapi.json", closed(httpx.get(f"{url}/api/v1/openapi.json", timeout=30).json()))
        with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as http:
            ann, _ = (_posted(http, "/auth/register", _credentials(name))["access_token"] for name in PEOPLE)
            http.headers["Authorization"] = f"Bearer {ann}"
            self._known = _known(http)

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Let it loose, with arguments of `schemathesis run`. The exit code is 1 when anything was found."""
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", "--url", self._url]
        return subprocess.run(
            [*command, *arguments, "openapi.json"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "FUZZ_KNOWN": json.dumps(self._known)},
            cwd=self._directory,
            check=False,
            **options,
        )

    def _write(self, name: str, content: object) -> None:
        (self._directory / name).write_text(json.dumps(content))


def _credentials(name: str) -> dict[str, str]:
    return {"email": f"{name}@example.org", "password": PASSWORD}


def _posted(http: httpx.Client, path: str, body: object) -> Any:
    return http.post(path, json=body).raise_for_status().json()


def _known(http: httpx.Client) -> dict[str, str]:
    """Ids of what is there from the beginning: path parameter → id."""
    conversation = _posted(http, "/conversations", {})["id"]
    run = _posted(http, f"/conversations/{conversation}/runs", {"parts": [{"type": "text", "text": "Hi"}]})
    ids = {"conversation_id": conversation, "chat_id": conversation}
    return ids | {"run_id": run["id"], "message_id": run["message_id"]}


def _sign_in_of(name: str) -> dict[str, Any]:
    """How to sign in as somebody, in the words of the Web Fuzzing Commons."""
    token = {
        "extractFrom": "body",
        "extractSelector": "/access_token",
        "sendIn": "header",
        "sendName": "Authorization",
        "sendTemplate": "Bearer {token}",
    }
    sign_in = {
        "verb": "POST",
        "endpoint": "/api/v1/auth/login",
        "contentType": "application/json",
        "payloadRaw": json.dumps(_credentials(name)),
        "token": token,
    }
    return {"name": name, "loginEndpointAuth": sign_in}
