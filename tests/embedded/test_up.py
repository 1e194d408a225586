"""`manage.py up` as its user has it: a process, a terminal's output, signals."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import psutil
import pytest

from eloquent.embedded import ports
from eloquent.embedded.programs import PROJECT
from eloquent.embedded.room import started_at
from eloquent.foundation.config import Config

SETTINGS = {name.upper() for name in Config.model_fields}


class Up:
    """One `manage.py up`. `lines` is what it has printed so far."""

    def __init__(self, home: Path, *arguments: str, **settings: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        # Started elsewhere, so that the developer's own .env is not read.
        self.process = subprocess.Popen(
            [sys.executable, str(PROJECT / "manage.py"), "up", *arguments],
            cwd=home,
            env={**environment, "ELOQUENT_STATE_DIR": str(home / "state"), **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._new: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._new.put(line.rstrip("\n"))
        self._new.put(None)

    def until(self, pattern: str) -> re.Match[str]:
        """The first line from here on that matches."""
        while (line := self._new.get(timeout=60)) is not None:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern} was not printed:\n{self.text}")

    def end(self) -> int:
        """The exit code, once all that it prints was read."""
        while (line := self._new.get(timeout=60)) is not None:
            self.lines.append(line)
        return self.process.wait(60)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home: Path) -> Iterator[Up]:
    """From an empty directory to a running chat. The port that it is told to take is in use."""
    with socket.create_server(("127.0.0.1", 0)) as other, Up(home, "--port", str(other.getsockname()[1])) as up:
        up.until("Ctrl-C stops everything")
        yield up


@pytest.fixture(scope="module")
def address(first: Up) -> str:
    found = re.search(r"Chat +(http://\S+)/$", first.text, re.MULTILINE)
    assert found, first.text
    return found[1]


@pytest.fixture(scope="module")
def password(first: Up) -> str:
    found = re.findall(r"Password: +(\S+)", first.text)
    assert len(found) == 1, first.text
    assert first.text.count(found[0]) == 1
    return found[0]


def test_each_service_has_a_line_and_the_chat_is_ready(first: Up, address: str) -> None:
    for service in ("MongoDB +.* mongodb://", "Valkey +.* redis://", "llama.cpp +.* http://", "database", "web server"):
        assert re.search(rf"^  ok  {service}", first.text, re.MULTILINE), first.text
    ready = httpx.get(f"{address}/readyz", timeout=30)
    assert ready.status_code == 200
    assert {check["name"] for check in ready.json()["checks"]} >= {"mongodb", "redis"}


def test_the_addresses_it_prints_open(first: Up, address: str) -> None:
    printed = re.findall(r"^  (?:Chat|Staff|API) +(\S+)$", first.text, re.MULTILINE)
    assert printed == [f"{address}/", f"{address}/admin/", f"{address}/api/v1/docs"]
    for url in printed:
        assert httpx.get(url, follow_redirects=True, timeout=30).status_code == 200


def test_a_port_in_use_is_replaced_and_it_says_so(first: Up, address: str) -> None:
    found = re.search(r"Port (\d+) is in use by another program; web server uses (\d+)\.", first.text)
    assert found
    assert address.endswith(f":{found[2]}")


def test_the_staff_password_works(address: str, password: str) -> None:
    answer = httpx.post(
        f"{address}/api/v1/auth/login", json={"email": "staff@eloquent.local", "password": password}, timeout=30
    )
    assert answer.status_code == 200
    assert answer.json()["user"]["is_staff"] is True


def test_the_staff_password_is_in_no_file(first: Up, home: Path, password: str) -> None:
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if password.encode() in path.read_bytes()] == []


def test_the_language_model_is_offered(address: str, password: str) -> None:
    login = {"email": "staff@eloquent.local", "password": password}
    token = httpx.post(f"{address}/api/v1/auth/login", json=login, timeout=30).json()["access_token"]
    models = httpx.get(f"{address}/api/v1/models", headers={"Authorization": f"Bearer {token}"}, timeout=30).json()
    assert "smollm2-135m" in str(models)


def test_a_second_up_says_what_runs_and_harms_nothing(first: Up, home: Path, address: str) -> None:
    before = {child.pid for child in first.children()}
    with Up(home) as second:
        assert second.end() == 0
    assert f"runs already (process {first.process.pid}): {address}/" in second.text
    assert len(re.findall(r"(MongoDB|Valkey|llama.cpp) +\S+ \(process \d+\)", second.text)) == 3
    assert {child.pid for child in first.children()} == before
    assert httpx.get(f"{address}/readyz", timeout=30).status_code == 200


def test_a_server_that_dies_is_reported_and_brought_back_on_its_port(first: Up, address: str) -> None:
    mongod = next(child for child in first.children() if child.name() == "mongod")
    mongod.kill()
    assert "code -9" in first.until("MongoDB ended unexpectedly").string
    first.until("  ok  MongoDB")
    assert re.findall(r"ok  MongoDB .* (mongodb://\S+)", first.text)[0] in first.lines[-1]
    deadline = time.monotonic() + 30
    while httpx.get(f"{address}/readyz", timeout=30).status_code != 200:  # the chat finds it a moment later
        assert time.monotonic() < deadline, first.text
        time.sleep(0.1)


def test_ctrl_c_stops_everything_in_order(first: Up) -> None:
    children = first.children()
    assert len(children) == 4
    first.process.send_signal(signal.SIGINT)
    assert first.end() == 0
    stopped = re.findall(r"^  ok  (.+?)  .*stopped$", first.text, re.MULTILINE)
    assert stopped == ["web server", "llama.cpp", "Valkey", "MongoDB"]
    assert [child for child in children if started_at(child.pid)] == []


def test_the_next_up_keeps_the_data_is_no_trouble_after_a_kill_and_ends_with_sigterm(
    first: Up, home: Path, password: str
) -> None:
    if first.process.poll() is None:  # the test before this one has another process to itself, and ended its own
        first.process.send_signal(signal.SIGINT)
        first.end()
    for death in (signal.SIGKILL, signal.SIGTERM):
        # Our model takes its time and has its own test of a killed parent.
        with Up(home, "--port", str(ports.any_free_port()), OLLAMA_HOST="http://127.0.0.1:1") as up:
            address = up.until(r"Chat +(http://\S+)/$")[1]
            up.until("Ctrl-C stops everything")
            assert "Password" not in up.text
            login = {"email": "staff@eloquent.local", "password": password}
            assert httpx.post(f"{address}/api/v1/auth/login", json=login, timeout=30).status_code == 200
            children = up.children()
            assert len(children) == 3
            up.process.send_signal(death)
            assert up.end() == (-signal.SIGKILL if death == signal.SIGKILL else 0)
        gone, alive = psutil.wait_procs(children, timeout=20)
        assert (len(gone), alive) == (3, [])


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    with Up(tmp_path) as up:
        up.until("ok  Valkey")
        children = up.children()
        up.process.send_signal(signal.SIGINT)
        assert up.end() == 0
        assert "Traceback" not in up.text
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def workers_of(up: Up) -> list[psutil.Process]:
    """The serving processes, oldest first."""
    servers = [child for child in up.children() if "eloquent.serving.web_server" in " ".join(child.cmdline())]
    spawned = [child for server in servers for child in server.children() if "spawn_main" in " ".join(child.cmdline())]
    return sorted(spawned, key=lambda worker: worker.create_time())


def test_two_workers_serve_and_one_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with Up(tmp_path, "--workers", "2", "--port", "0", OLLAMA_HOST="http://127.0.0.1:1") as up:
        up.until("Ctrl-C stops everything")
        found = re.search(r"Chat +(http://\S+)/$", up.text, re.MULTILINE)
        assert found, up.text
        first, second = workers_of(up)
        first.kill()
        psutil.wait_procs([first], timeout=20)
        deadline = time.monotonic() + 30
        while len(workers_of(up)) < 2:
            assert time.monotonic() < deadline, up.text
        assert workers_of(up)[0] == second
        assert httpx.get(f"{found[1]}/readyz", timeout=30).status_code == 200
        children = up.children()
        up.process.send_signal(signal.SIGINT)
        assert up.end() == 0, up.text
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def test_workers_end_with_the_process_that_watches_over_them(tmp_path: Path) -> None:
    with Up(tmp_path, "--workers", "2", "--port", "0", OLLAMA_HOST="http://127.0.0.1:1") as up:
        up.until("Ctrl-C stops everything")
        workers = workers_of(up)
        assert len(workers) == 2
        workers[0].parent().kill()
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert alive == []


def test_several_workers_without_redis_are_refused(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    where = ["--host", "127.0.0.1", "--port", "0", "--workers", "2"]
    refused = subprocess.run(
        [sys.executable, "-m", "eloquent.serving.web_server", *where],
        env={**environment, "PYTHONPATH": str(PROJECT), "ELOQUENT_STATE_DIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "set REDIS_URL, or WORKERS=1" in refused.stderr


def test_a_named_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    uri = f"mongodb://ada:secret@127.0.0.1:{ports.any_free_port()}/?serverSelectionTimeoutMS=300"
    with Up(tmp_path, MONGODB_URI=uri, REDIS_URL="redis://127.0.0.1:1", OLLAMA_HOST="http://127.0.0.1:1") as up:
        assert up.end() == 1
    assert "MongoDB at mongodb://" in up.text
    assert "cannot be used" in up.text
    assert "secret" not in up.text
    assert "ok  MongoDB" not in up.text
    assert "ok  Valkey" not in up.text
    assert "ok  llama.cpp" not in up.text


@pytest.mark.parametrize("setting", ["OLLAMA_HOST", "LLAMACPP_HOST", "OPENAI_COMPATIBLE_URL", "BEDROCK_MODEL_ID"])
def test_a_named_model_server_replaces_ours(tmp_path: Path, setting: str) -> None:
    from eloquent.embedded.machine import missing_servers

    everything = [server.name for server in missing_servers((), tmp_path)]
    assert everything == ["MongoDB", "Valkey", "llama.cpp"]
    assert [server.name for server in missing_servers({setting}, tmp_path)] == ["MongoDB", "Valkey"]
    assert [server.name for server in missing_servers({"MONGODB_URI", setting}, tmp_path)] == ["Valkey"]
