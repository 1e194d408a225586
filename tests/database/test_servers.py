"""The plugin that starts this run's servers."""

import os
import subprocess
import sys

from eloquent.foundation.config import get_config
from tests.servers import PREFIX, remove_leftovers


def test_what_a_killed_run_left_is_removed_and_a_living_runs_is_not(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, living, foreign = (tmp_path / f"{PREFIX}{name}-x" for name in (gone.pid, os.getpid(), "somebody"))
    for directory in (left, living, foreign):
        (directory / "mongod").mkdir(parents=True)

    remove_leftovers(tmp_path)

    assert [directory.exists() for directory in (left, living, foreign)] == [False, True, True]


def test_the_settings_are_those_of_this_runs_servers():
    config = get_config()

    assert config.eloquent_env == "test"
    assert config.mongodb_uri.get_secret_value().startswith("mongodb://127.0.0.1:")
    assert PREFIX in str(config.eloquent_state_dir)
    assert config.ollama_host == ()
    assert config.openai_compatible_api_key is None
