"""The typed client: types are made of our OpenAPI document without a warning, and what uses them compiles."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.ui.node import HERE

pytestmark = pytest.mark.clients

ROOT = HERE.parent.parent.parent
BIN = HERE / "node_modules" / ".bin"

# What the README's examples take for granted.
AROUND_THE_SOCKET = "declare function socketTicket(): Promise<string>;"
AROUND_HTTP = """
declare function accessToken(): string;
declare const id: string;
declare const kept: { messages: UIMessage[]; active_run_id: string | null } | undefined;
"""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture
def types(tmp_path: Path) -> Path:
    """A folder beside the packages with the types, to be compiled."""
    place = HERE / "types" / f"made-{tmp_path.name}"
    shutil.copytree(HERE / "types", place, ignore=shutil.ignore_patterns("made-*"))
    made = run(BIN / "openapi-typescript", ROOT / "docs" / "openapi.json", "-o", place / "openapi.d.ts")
    try:
        assert made.returncode == 0, made.stdout + made.stderr
        # It announces itself and what it did in two lines; anything else is a warning.
        told = [line for line in (made.stdout + made.stderr).splitlines() if line.strip()]
        assert [line for line in told if "openapi-typescript" not in line and "→" not in line] == []
        yield place
    finally:
        shutil.rmtree(place)


def test_the_documents_types_compile_and_refuse_what_is_wrong(types: Path) -> None:
    compiled = run(BIN / "tsc", "-p", types)
    assert compiled.returncode == 0, compiled.stdout
    use = types / "use.ts"
    use.write_text(use.read_text().replace("  // @ts-expect-error", "  // allowed"))
    refused = run(BIN / "tsc", "-p", types)
    assert len(re.findall(r"^\S.*use\.ts\(\d+,\d+\): error", refused.stdout, re.MULTILINE)) == 3, refused.stdout


def test_the_readmes_examples_for_the_ai_sdk_compile(types: Path) -> None:
    over_http, over_the_socket = re.findall(r"```tsx\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (types / "http.tsx").write_text(
        'import { useChat } from "@ai-sdk/react-7";\nimport { DefaultChatTransport, type UIMessage } from "ai-7";\n'
        f"{AROUND_HTTP}{over_http}\nexport {{ chat, stop }};\n"
    )
    (types / "socket.tsx").write_text(
        'import { WebSocketChatTransport } from "ai-7";\n'
        f"{AROUND_THE_SOCKET}\n{over_the_socket}\nexport {{ transport }};\n"
    )
    compiled = run(BIN / "tsc", "-p", types)
    assert compiled.returncode == 0, compiled.stdout
