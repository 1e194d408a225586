"""What is done where there is no Chromium."""

from pathlib import Path

import pytest

from tests.e2e import chromium


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on the PATH, with a package manager that installs Chromium there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    script = f"""#!/bin/sh
echo "$@" >> {tmp_path}/asked
[ "$1" = install ] && printf '#!/bin/sh\\n' > {tmp_path}/chromium && /bin/chmod +x {tmp_path}/chromium
exit 0
"""
    (tmp_path / "apt-get").write_text(script)
    (tmp_path / "apt-get").chmod(0o755)
    return tmp_path


def test_root_gets_it_installed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert chromium.installed() == path / "chromium"
    assert (path / "asked").read_text().splitlines() == ["update -qq", "install -y -qq chromium"]


def test_others_are_told_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(chromium.ChromiumMissing, match="apt-get install -y chromium"):
        chromium.installed()
    assert not (path / "asked").exists()


def test_one_that_is_there_is_used(path: Path) -> None:
    (path / "google-chrome").write_text("#!/bin/sh\n")
    (path / "google-chrome").chmod(0o755)
    assert chromium.installed() == path / "google-chrome"
    assert not (path / "asked").exists()
