"""What is installed is what was locked: every package pinned, every file by its hash, the list of it all true."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from eloquent.embedded import install
from eloquent.embedded.locking import pinned
from eloquent.embedded.requirements import locked
from eloquent.management.commands.sbom import FILES, bill_of_materials
from tests import audit
from tests.test_project import ROOT

LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-embedded.txt"]
BOM = ROOT / "docs" / "sbom.cdx.json"


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_with_hashes_and_no_place_to_get_it(name: str) -> None:
    packages = locked(ROOT / name)
    assert len(packages) > 3
    assert [str(package) for package in packages if not package.hashes] == []
    text = (ROOT / name).read_text()
    assert re.findall(r"https?://|--index-url|--find-links|file://", text) == []


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_locked(name: str) -> None:
    source = (ROOT / name).with_suffix(".in")
    asked = re.findall(r"^([A-Za-z0-9._-]+)(?:\[\w+\])?(?:==([^\s#]+))?", source.read_text(), re.MULTILINE)
    packages = {package.name.lower(): package.version for package in locked(ROOT / name)}
    for wanted, version in asked:
        if not wanted.startswith("-"):
            assert wanted.lower() in packages
            assert version in ("", packages[wanted.lower()]), wanted


def test_both_lists_agree_on_what_they_share() -> None:
    ours = {package.name: str(package) for package in locked(ROOT / "requirements.txt")}
    others = {package.name: str(package) for package in locked(ROOT / "requirements-dev.txt")}
    assert {name: other for name, other in others.items() if ours.get(name, other) != other} == {}


def test_a_line_without_a_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# a comment\ndjango>=5\n")
    with pytest.raises(ValueError, match="is not pinned"):
        locked(tmp_path / "requirements.txt")


def test_the_servers_packages_are_those_that_were_asked_for() -> None:
    assert pinned(ROOT / "requirements-embedded.in") == list(map(str, locked(ROOT / "requirements-embedded.txt")))


def test_pip_is_told_to_look_at_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text(f"a==1 \\\n    --hash=sha256:{'0' * 64}\nb==2 \\\n    --hash=sha256:{'1' * 64}\n")
    told: list[tuple[list[str], str]] = []

    def pip(venv: Path, title: str, arguments: list[str]) -> bool:
        told.append((arguments[:-1], Path(arguments[-1]).read_text()))
        return True

    monkeypatch.setattr(install, "install", pip)
    install.install_embedded(tmp_path, tmp_path / "a.txt")
    assert [arguments for arguments, _ in told] == [["--no-deps", "--require-hashes", "-r"]] * 2
    assert [text.split()[0] for _, text in told] == ["a==1", "b==2"]
    assert all(text.count("--hash=sha256:") == 1 for _, text in told)
    arguments = ["install", str(tmp_path / "a.txt"), "--venv", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(install, "make_environment", lambda _venv: None)
    install.main()
    assert told[-1][0] == ["--require-hashes", "-r"]


def test_a_file_that_is_not_the_locked_one_is_not_installed(tmp_path: Path) -> None:
    # pip itself, offline: a package of ours in place of the one whose hash is known.
    package = tmp_path / "planted-1.0.tar.gz"
    package.write_bytes(b"anything")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"planted==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(tmp_path), "--no-deps"]
    ran = subprocess.run(
        [*command, "--target", str(tmp_path / "t"), *install.HASHED, str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    assert "DO NOT MATCH THE HASHES" in ran.stdout + ran.stderr


def test_the_list_of_what_is_inside_is_of_today_and_valid() -> None:
    made = bill_of_materials({name: locked(ROOT / name) for name in FILES})
    assert json.loads(BOM.read_text()) == made, "run `make sbom`"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(BOM.read_text()) is None
    names = {component["name"] for component in made["components"]}
    assert names == {package.name for name in FILES for package in locked(ROOT / name)}
    references = {component["bom-ref"] for component in made["components"]} | {"eloquent-ai"}
    wanted = {entry["ref"]: set(entry["dependsOn"]) for entry in made["dependencies"]}
    assert set(wanted) == references
    assert set().union(*wanted.values()) <= references
    reached: set[str] = set()
    left = ["eloquent-ai"]
    while left:
        reference = left.pop()
        reached.add(reference)
        left += wanted[reference] - reached
    assert reached == references, "a package that nobody wants"
    assert "timestamp" not in BOM.read_text()
    assert "serialNumber" not in BOM.read_text()


@pytest.mark.parametrize(
    ("dependencies", "status", "words"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "No known holes"),
        ([], 2, "NOT AUDITED"),
        ([{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "not found"}], 2, "NOT AUDITED"),
        (
            [
                {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]},
                {"skip_reason": "?", "name": "b"},
            ],
            1,
            "a 1: CVE-1, mended in 2",
        ),
        ([{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": []}]}], 1, "no version yet"),
    ],
)
def test_an_audit_that_could_not_ask_is_no_all_clear(dependencies: list[Any], status: int, words: str) -> None:
    found, lines = audit.verdict({"dependencies": dependencies})
    assert found == status
    assert words in lines[0]


def test_an_audit_without_a_database_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = subprocess.CompletedProcess([], 1, "", "ConnectionError: nobody there")
    monkeypatch.setattr(subprocess, "run", lambda *_arguments, **_options: ran)
    monkeypatch.setattr(sys, "argv", ["audit"])
    assert audit.audited("requirements.txt") == (
        2,
        ["NOT AUDITED: no database of advisories can be asked from here (ConnectionError: nobody there)."],
    )
    assert audit.main() == 2
