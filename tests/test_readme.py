"""Every command in the README is run: what it says is what happens."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from eloquent.foundation.config import Config

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
START_S = 90

# Run by `.ci/run` as they stand (tests/test_project.py holds it to that), or by a test of their own.
RUN_ELSEWHERE = {
    "make test",
    "make check",
    "make test-browser",
    "make test-clients",
    "make test-deploy",
    "make test-bench",  # takes too long to be run each time; the smallest bench is, by a test
    "make bench",
    "make soak",
    "make fuzz",
    "make help",
    "make lock",
    "make openapi",
}


def _directory_with_curl(parent: Path) -> Path:
    """Our stand-in under curl's name: the tests need Python and the packages, and no other program."""
    directory = parent / "bin"
    directory.mkdir()
    (directory / "curl").write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m tests.curl "$@"\n')
    (directory / "curl").chmod(0o755)
    return directory


class Started:
    """`make run` in a directory of its own."""

    def __init__(self, state_dir: Path) -> None:
        self.environment = {
            name: value for name, value in os.environ.items() if name.lower() not in Config.model_fields
        }
        self.environment |= {"ELOQUENT_STATE_DIR": str(state_dir), "PORT": "0", "TITLE_MODEL": "off"}
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{self.environment['PATH']}"
        if not shutil.which("curl"):
            self.environment["PATH"] += f":{_directory_with_curl(state_dir)}"
        self.lines: list[str] = []
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            ["make", "run"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip())
            if "Ctrl-C stops everything" in line:
                self.ready.set()
        self.ready.set()

    @property
    def said(self) -> str:
        """What it has printed."""
        return "\n".join(self.lines)

    def run(self, script: str, **environment: str) -> str:
        """Run a script as somebody would in another terminal; returns what it printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The first of the two commands."""
    made = Started(tmp_path_factory.mktemp("state"))
    try:
        assert made.ready.wait(START_S), made.said
        assert made.process.poll() is None, made.said
        yield made
    finally:
        os.killpg(made.process.pid, signal.SIGINT)
        made.process.wait(30)
    assert "All stopped." in made.said


def address(started: Started, what: str) -> str:
    """An address that was printed."""
    found = re.search(rf"^\s*{what}\s+(http://\S+)$", started.said, re.MULTILINE)
    assert found, started.said
    return found[1]


def test_the_two_commands_stand_on_the_first_screen() -> None:
    first_screen = "\n".join(README.splitlines()[:15])
    assert "make run" in first_screen
    assert "make test" in first_screen


@pytest.mark.timeout(180)
def test_make_run_prints_the_addresses_and_the_staff_password_once(started: Started) -> None:
    assert address(started, "Chat").startswith("http://127.0.0.1:")
    assert address(started, "Staff").endswith("/admin/")
    assert address(started, "API").endswith("/api/v1/docs")
    for server in ("MongoDB", "Valkey", "llama.cpp"):
        assert re.search(rf"{re.escape(server)}\s+[\d.]+ s\s+\S+://127\.0\.0\.1:", started.said)
    assert len(re.findall(r"[Pp]assword", started.said)) == 1


@pytest.mark.timeout(180)
def test_the_example_for_frontends_streams_a_real_answer(started: Started) -> None:
    (example,) = (block for block in BLOCKS if "curl" in block)
    streamed = started.run(example, API=address(started, "API").removesuffix("/docs"))
    # How many words there are is the model's own affair; that they come one after the other is ours.
    assert streamed.count('"type":"text-delta"') > 1
    assert '"type":"finish"' in streamed
    assert streamed.rstrip().endswith("data: [DONE]")


@pytest.mark.timeout(180)
def test_the_commands_for_operators_work_beside_make_run(started: Started) -> None:
    (block,) = (block for block in BLOCKS if "manage.py" in block)
    said: dict[str, str] = {}
    for line in block.splitlines():
        name = line.split()[2]
        said[name] = said.get(name, "") + started.run(line)
    assert "smollm2" in said["models"]
    assert "has an entry now" in said["models"]
    assert said["ask"].split()
    assert re.search(r"smollm2\S*\s+ok\s", said["inference"])
    assert "was spent" in said["usage"] or "smollm2" in said["usage"]
    assert "you@example.org" in said["create_staff"]
    assert "/account/accept-invitation#" in said["invite"]
    assert said["jwt"].count("signs") == 3, "a heading, the key that does, the sentence of the next"
    assert said["seed_demo"]
    assert "running.env" in started.run("python manage.py config")


def test_no_command_of_the_readme_is_left_out() -> None:
    named = set(re.findall(r"^(make \S+|python manage\.py \w+)", "\n".join(BLOCKS), re.MULTILINE))
    named |= set(re.findall(r"`(make [\w-]+|python manage\.py \w+)", README))
    names = ("models", "ask", "inference", "usage", "create_staff", "invite", "jwt", "seed_demo", "config")
    operators = {f"python manage.py {name}" for name in names}
    assert named - RUN_ELSEWHERE - operators == {"make run"}
