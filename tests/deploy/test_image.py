"""What is in the image, and what is not."""

import json
import re
import stat

import pytest

from eloquent.embedded.requirements import locked
from tests.deploy.conftest import EPOCH, REVISION
from tests.deploy.container import Container
from tests.deploy.tools import ROOT

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(900)]


def test_it_says_what_it_is_and_how_it_is_run(image: Container) -> None:
    config = image.config
    assert config["User"] == "10001:10001"
    assert config["Cmd"] == ["python", "-m", "eloquent.serving.web_server"]
    assert not config["Entrypoint"], "nothing stands between the platform and the server"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Labels"]["org.opencontainers.image.revision"] == REVISION
    assert config["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert "ELOQUENT_RELEASE=1.2.3" in config["Env"]


def test_its_tmp_is_a_volume_with_the_rights_of_a_tmp(image: Container) -> None:
    """Fargate gives what it puts there the rights that are found here."""
    assert image.config["Volumes"] == {"/tmp": {}}
    assert stat.S_IMODE((image.root / "tmp").stat().st_mode) == 0o1777


def test_nothing_in_it_is_secret(image: Container) -> None:
    told = json.dumps(image.config)
    names = {entry.partition("=")[0] for entry in image.config["Env"]}
    assert not {name for name in names if re.search("KEY|SECRET|TOKEN|PASSWORD|URI", name)}
    assert "PRIVATE KEY" not in told
    ours = [path for path in (image.root / "app").rglob("*") if path.is_file()]
    assert len(ours) > 500
    # Each has a line of its own in our sources, which talk of keys; a key itself is base64 for lines.
    key = re.compile(rb"PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}")
    assert [path for path in ours if key.search(path.read_bytes())] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "app/tests",
        "app/docs",
        "app/deploy",
        "app/**/.env*",
        "app/**/.git*",
        "app/.eloquent",
        "app/eloquent/embedded",
        "app/requirements*",
        "opt/venv/bin/pip*",
        "opt/venv/lib/python3*/site-packages/pip",
        "opt/venv/lib/python3*/site-packages/setuptools",
        "usr/**/site-packages/pip",
        "usr/**/ensurepip",
        "usr/**/bin/pip*",
        *(f"usr/**/bin/{program}" for program in ("gcc", "cc", "make", "git", "curl", "wget")),
        "tmp/*",
    ],
)
def test_there_is_nothing_in_it_that_a_server_does_not_need(image: Container, pattern: str) -> None:
    assert list(image.root.glob(pattern)) == []


def test_its_packages_are_those_that_were_locked(image: Container) -> None:
    listed = "import importlib.metadata as m; print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()))"
    installed = set(map(normal, image.run("python", "-c", listed).split()))
    wanted = {normal(str(package)) for package in locked(ROOT / "requirements.txt")}
    assert installed <= wanted
    # What is locked for other systems is not installed on this one.
    assert {"django", "uvicorn", "boto3", "uvloop"} <= {name.partition("==")[0] for name in installed}
    assert len(wanted - installed) < 5, wanted - installed


def normal(package: str) -> str:
    name, _, version = package.partition("==")
    return f"{re.sub('[-_.]+', '-', name).lower()}=={version}"


def test_the_user_owns_nothing_but_the_state_directory(image: Container) -> None:
    its_own = [
        str(path.relative_to(image.root))
        for top in ("app", "opt", "var/lib/eloquent", "usr/local")
        for path in [image.root / top, *(image.root / top).rglob("*")]
        if path.lstat().st_uid == 10001 or (path.lstat().st_mode & stat.S_IWOTH and not path.is_symlink())
    ]
    assert its_own == ["var/lib/eloquent"]


def test_static_files_have_names_by_their_content_and_are_compressed(image: Container) -> None:
    manifest = json.loads((image.root / "app/staticfiles/staticfiles.json").read_text())
    assert len(manifest["paths"]) > 50
    hashed = [image.root / "app/staticfiles" / name for name in manifest["paths"].values()]
    assert [path for path in hashed if not path.exists()] == []
    assert list((image.root / "app/staticfiles/chat").rglob("*.css.gz"))


def test_nothing_of_ours_bears_the_time_of_its_build(image: Container) -> None:
    ours = image.root / "app"
    times = {int(path.lstat().st_mtime) for path in ours.rglob("*")}
    assert times == {EPOCH}
    # Each module is compiled, and compiling it once more gives the same code, with no time in it.
    modules = [path for path in ours.rglob("*.py") if "staticfiles" not in path.parts]
    compiled = list(ours.rglob("*.pyc"))
    assert len(compiled) == len(modules)
    again = """
import marshal, pathlib, py_compile, sys
different = []
for source in sorted(pathlib.Path('/app').rglob('*.py')):
    again = pathlib.Path('/tmp/Again.pyc')
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), cfile=str(again), dfile=str(source), invalidation_mode=mode, doraise=True)
    kept, made = (source.parent / '__pycache__' / f'{source.stem}.{sys.implementation.cache_tag}.pyc', again)
    # The head says how it is known to be fresh: by the source's hash, not its time. Code alike may be written in other
    # bytes, by what else the process that compiled it had seen.
    (head, code), (made_head, made_code) = ((file.read_bytes()[:16], file.read_bytes()[16:]) for file in (kept, made))
    if head != made_head or marshal.loads(code) != marshal.loads(made_code):
        different.append(str(source))
print(different)
"""
    assert image.run("python", "-c", again, PYTHONHASHSEED="0").strip() == "[]"
