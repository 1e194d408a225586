import time
from pathlib import Path

import psutil
import pytest
import redis

from eloquent.embedded.valkey import Valkey


def test_it_keeps_what_was_written_over_kill_and_stop(tmp_path: Path) -> None:
    with Valkey(tmp_path / "v") as valkey:
        with redis.Redis.from_url(valkey.address) as client:
            client.set("name", "Ada")
            client.xadd("log", {"a": 1})
            # The file is written to at once, and up to two seconds late while the disk is at work on an earlier one.
            while client.info("persistence")["aof_buffer_length"]:
                time.sleep(0.01)
            valkey.kill()
        valkey.start()
        with redis.Redis.from_url(valkey.address) as client:
            assert client.get("name") == b"Ada"
            assert client.xlen("log") == 1
            client.set("name", "Grace")
        valkey.stop()
        assert valkey.exit_code == 0
        valkey.start()
        with redis.Redis.from_url(valkey.address) as client:
            assert client.get("name") == b"Grace"


def test_it_listens_on_the_loopback_only(tmp_path: Path) -> None:
    with Valkey(tmp_path / "v") as valkey:
        listening = {
            entry.laddr.ip
            for entry in psutil.Process(valkey.pid).net_connections()
            if entry.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}


def test_its_memory_is_bounded_and_a_write_beyond_is_refused(tmp_path: Path) -> None:
    with Valkey(tmp_path / "v", memory_mb=4) as valkey, redis.Redis.from_url(valkey.address) as client:
        client.set("kept", "yes", ex=3600)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            any(not client.set(f"big {number}", b"x" * 100_000) for number in range(100))
        assert client.get("kept") == b"yes"
