import os
import subprocess
import sys
from pathlib import Path

from eloquent.embedded.programs import PROJECT
from tests.embedded.test_up import SETTINGS


def config(home: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return subprocess.run(
        [sys.executable, str(PROJECT / "manage.py"), "config"],
        cwd=home,
        env={**clean, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_setting_is_shown_with_its_source_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=9000\nOLLAMA_MODEL=from-the-file\n")
    shown = config(
        tmp_path,
        PORT="9001",
        MONGODB_URI="mongodb://ada:hunter2@db.example/?replicaSet=rs0",
        SECRET_KEY="s3cret" * 10,
        REDIS_URL="redis://:hunter3@cache.example:6379/0",
    )
    assert shown.returncode == 0, shown.stderr
    rows = {line.split()[0]: line for line in shown.stdout.splitlines()[1:]}
    assert set(rows) == SETTINGS
    assert rows["PORT"].split()[1:3] == ["9001", "environment"]
    assert rows["OLLAMA_MODEL"].split()[1:3] == ["from-the-file", ".env"]
    assert rows["WORKERS"].split()[1:3] == ["1", "default"]
    assert rows["JWT_PRIVATE_KEY"].split()[2] == ".eloquent/jwt.pem"
    assert "db.example" in rows["MONGODB_URI"]
    for secret in ("hunter2", "hunter3", "s3cret", "PRIVATE KEY"):
        assert secret not in shown.stdout + shown.stderr


def test_all_faults_are_listed_together_without_a_traceback(tmp_path: Path) -> None:
    shown = config(tmp_path, PORT="x", WORKERS="700", MONGODB_URI="http://ada:hunter2@db.example")
    assert shown.returncode == 1
    for name in ("PORT", "WORKERS", "MONGODB_URI"):
        assert f"{name}: found" in shown.stderr
    assert "hunter2" not in shown.stderr
    assert "Traceback" not in shown.stderr
