"""Nothing outlives us, even when we are killed without a chance to clean up."""

import subprocess
import sys
from pathlib import Path

import psutil

from eloquent.embedded.programs import PROJECT

START_ALL = """
import sys, threading
from pathlib import Path
from eloquent.embedded.llamacpp import LlamaCpp
from eloquent.embedded.mongod import Mongod
from eloquent.embedded.valkey import Valkey

home = Path(sys.argv[1])
servers = [Mongod(home / "m"), Valkey(home / "v"), LlamaCpp(data_dir=home / "l", context=512, parallel=1)]
threads = [threading.Thread(target=server.start) for server in servers]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*(server.pid for server in servers), flush=True)
sys.stdin.read()
"""


def test_a_killed_parent_leaves_no_children_and_data_that_start_again(tmp_path: Path) -> None:
    for _ in range(2):
        parent = subprocess.Popen(
            [sys.executable, "-c", START_ALL, str(tmp_path)],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with parent:
            assert parent.stdout is not None
            children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
            # All three threads that started them are gone by now, and they live.
            assert len(children) == 3
            assert all(child.is_running() for child in children)
            parent.kill()
        gone, alive = psutil.wait_procs(children, timeout=20)
        assert len(gone) == 3
        assert alive == []
