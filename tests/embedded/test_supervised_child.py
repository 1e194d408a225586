"""What every embedded server does, shown with one that does nothing else."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from eloquent.embedded import ports
from eloquent.embedded.errors import AlreadyRunning, DidNotStart, EmbeddedServerError, PortTaken
from eloquent.embedded.programs import PROJECT
from eloquent.embedded.room import LOG_LIMIT, started_at
from tests.embedded.talker import Talker


def is_gone(pid: int) -> bool:
    return started_at(pid) == ""


def test_it_starts_answers_and_stops(tmp_path: Path) -> None:
    with Talker(tmp_path / "t") as talker:
        assert ports.accepts(talker.port)
        assert talker.is_running()
        assert talker.address == f"tcp://127.0.0.1:{talker.port}"
        pid = talker.pid
    assert is_gone(pid)
    assert not ports.accepts(talker.port)


def test_what_it_prints_is_in_its_log(tmp_path: Path) -> None:
    with Talker(tmp_path / "t") as talker:
        assert talker.last_lines() == ["talker says hello"]
        assert talker.log_path == tmp_path / "t" / "talker.log"


def test_a_log_that_has_grown_is_put_aside(tmp_path: Path) -> None:
    with Talker(tmp_path / "t") as talker:
        pass
    talker.log_path.write_bytes(b"x" * (LOG_LIMIT + 1))
    with Talker(tmp_path / "t") as talker:
        assert talker.log_path.stat().st_size < 100
    assert talker.log_path.with_suffix(".log.1").stat().st_size == LOG_LIMIT + 1


def test_a_start_of_a_running_one_does_nothing(tmp_path: Path) -> None:
    with Talker(tmp_path / "t") as talker:
        pid = talker.pid
        talker.start()
        assert talker.pid == pid
        assert len(talker.starts) == 1


def test_stopping_twice_and_stopping_before_starting_are_harmless(tmp_path: Path) -> None:
    talker = Talker(tmp_path / "t")
    talker.stop()
    talker.start()
    talker.stop()
    talker.stop()
    assert not talker.is_running()


def test_one_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    talker = Talker(tmp_path / "t", deaf=True)
    talker.stop_grace_s = 0.2
    talker.start()
    talker.stop()
    assert talker.exit_code == -signal.SIGKILL


def test_hurry_shortens_the_grace(tmp_path: Path) -> None:
    talker = Talker(tmp_path / "t", deaf=True)
    talker.stop_grace_s = 60.0
    talker.start()
    hurry = threading.Event()
    hurry.set()
    began = time.monotonic()
    talker.stop(hurry=hurry)
    assert time.monotonic() - began < 30
    assert talker.exit_code == -signal.SIGKILL


def test_a_wished_port_that_is_taken_is_replaced_and_the_notice_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with Talker(tmp_path / "t", taken) as talker:
            assert talker.port != taken
            assert talker.notice == f"Port {taken} is in use by another program; talker uses {talker.port}."


def test_a_wished_port_that_is_free_is_used_without_a_notice(tmp_path: Path) -> None:
    with Talker(tmp_path / "t", ports.any_free_port()) as talker:
        assert talker.port == talker._wished_port
        assert talker.notice is None


def test_a_restart_insists_on_the_port_that_others_were_told(tmp_path: Path) -> None:
    with Talker(tmp_path / "t") as talker:
        port = talker.port
        talker.crash()
        talker.start()
        assert talker.port == port
        assert talker.is_running()


def test_a_restart_whose_port_was_taken_meanwhile_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eloquent.embedded.base.SAME_PORT_PATIENCE_S", 0.1)
    talker = Talker(tmp_path / "t")
    talker.start()
    talker.kill()
    with socket.create_server(("127.0.0.1", talker.port)), pytest.raises(PortTaken, match=f"port {talker.port}"):
        talker.start()


def test_a_port_lost_between_look_and_start_leads_to_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        offers = iter([other.getsockname()[1], ports.any_free_port()])
        monkeypatch.setattr(ports, "any_free_port", lambda: next(offers))
        with Talker(tmp_path / "t") as talker:
            assert len(talker.starts) == 2
            assert talker.starts[0] == other.getsockname()[1]


def test_without_a_wish_the_port_of_the_last_time_is_used_again(tmp_path: Path) -> None:
    with Talker(tmp_path / "t") as first:
        pass
    with Talker(tmp_path / "t") as second:
        assert second.port == first.port


def test_a_second_start_finds_what_runs_and_harms_nothing(tmp_path: Path) -> None:
    with Talker(tmp_path / "t") as talker:
        second = Talker(tmp_path / "t")
        with pytest.raises(AlreadyRunning, match="already runs at") as caught:
            second.start()
        assert (caught.value.pid, caught.value.address) == (talker.pid, talker.address)
        state = second.running_elsewhere()
        assert state is not None
        assert state.pid == talker.pid
        assert talker.is_running()
    assert second.running_elsewhere() is None


def test_a_state_file_that_names_a_later_process_with_the_same_id_ends_nobody(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as innocent:
        room = tmp_path / "t"
        room.mkdir()
        (room / "state.json").write_text(
            json.dumps({"pid": innocent.pid, "started": "1", "port": ports.any_free_port(), "address": "tcp://x"})
        )
        with Talker(room):
            assert innocent.poll() is None
        innocent.kill()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_state_file_that_cannot_be_read_is_no_obstacle(tmp_path: Path, content: str) -> None:
    room = tmp_path / "t"
    room.mkdir()
    (room / "state.json").write_text(content)
    with Talker(room) as talker:
        assert talker.is_running()


def test_one_that_does_not_answer_in_time_is_ended_and_its_log_shown(tmp_path: Path) -> None:
    talker = Talker(tmp_path / "t", mute=True)
    talker.start_timeout_s = 0.5
    with pytest.raises(DidNotStart, match=r"did not answer within 0 s(.|\n)*talker says hello"):
        talker.start()
    assert is_gone(talker.pid)


def test_one_that_ends_before_it_answers_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    talker = Talker(tmp_path / "t")
    talker.script = "import sys; print('no mood today'); sys.exit(7)"
    with pytest.raises(DidNotStart, match=r"ended with code 7(.|\n)*no mood today"):
        talker.start()
    with pytest.raises(DidNotStart):
        talker.start()  # and not AlreadyRunning: the directory was given back


def test_one_that_crashes_is_reported_with_the_signal(tmp_path: Path) -> None:
    talker = Talker(tmp_path / "t")
    talker.script = "import os; os.abort()"
    with pytest.raises(DidNotStart, match="was ended by SIGABRT"):
        talker.start()


def test_a_stop_from_another_thread_ends_a_start_that_waits(tmp_path: Path) -> None:
    talker = Talker(tmp_path / "t", mute=True)
    talker.start_timeout_s = 60.0
    with ThreadPoolExecutor() as pool:
        starting = pool.submit(talker.start)
        while "hello" not in "".join(talker.last_lines()):
            assert not starting.done()
        talker.stop()
        with pytest.raises(EmbeddedServerError, match="stopped while it started"):
            starting.result(timeout=30)
    assert is_gone(talker.pid)


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """The kernel's promise to end a child with its parent means the parent's thread."""
    talker = Talker(tmp_path / "t")
    thread = threading.Thread(target=talker.start)
    thread.start()
    thread.join()
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(talker.pid).wait(0.3)
    talker.stop()


def test_it_can_be_started_in_a_forked_process(tmp_path: Path) -> None:
    """Our starting thread does not exist there."""
    with Talker(tmp_path / "parent"):
        script = (
            "import os, sys; from pathlib import Path; from tests.embedded.talker import Talker\n"
            "with Talker(Path(sys.argv[1]) / 'a'):\n"
            "    child = os.fork()\n"
            "    if child == 0:\n"
            "        with Talker(Path(sys.argv[1]) / 'b') as talker: os._exit(0 if talker.is_running() else 1)\n"
            "    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        )
        ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=PROJECT, timeout=30, check=False)
    assert ended.returncode == 0


def test_a_deaf_leftover_of_a_killed_supervisor_is_ended_before_the_next_start(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from tests.embedded.talker import Talker\n"
        "talker = Talker(Path(sys.argv[1]), deaf=True); talker.start()\n"
        "print(talker.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "t")], cwd=PROJECT, capture_output=True, check=False, timeout=30
    )
    leftover = int(told.stdout)
    assert not is_gone(leftover)
    talker = Talker(tmp_path / "t")
    talker.stop_grace_s = 0.3
    with talker:
        assert is_gone(leftover)
        assert talker.is_running()
