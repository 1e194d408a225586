"""Where the clients' tests cannot run, one sentence says what is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.ui import node


def test_without_node_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.clients.ui.node"]
    environment = {"PATH": str(tmp_path), "ELOQUENT_ENV": "test"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == node.MISSING


def test_a_node_that_is_too_old_is_told_with_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v18.19.0\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(node.NodeMissing, match=r"Node 20 or newer.*this is Node v18\.19\.0"):
        node.node_path()
