"""Builds the image as it is deployed, without a container engine: buildah, as root, in a store of the tests' own.

Where the registry of the base image can be asked, the base is the real one. Elsewhere a stand-in takes its name: Debian
of the same release with the Python that runs the tests in `/usr/local`, where the real one has its own. Then what is
tested is our Dockerfile, and not their base.
"""

import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.tools import ROOT, system_program

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eloquent-tests"
DOCKERFILE = ROOT / "deploy" / "image" / "Dockerfile"
DEBIAN = "bookworm"
# What Python's own modules are linked with.
LIBRARIES = (
    *("ca-certificates", "libbz2-1.0", "libexpat1", "libffi8", "liblzma5", "libncursesw6", "libreadline8"),
    *("libsqlite3-0", "libssl3", "netbase", "tzdata", "zlib1g"),
)
STAND_IN = "org.example.stand-in"
PULL_S = 120


class Buildah:
    """One store of images. Every call is a program that ends."""

    def __init__(self, cache: Path = CACHE) -> None:
        if os.geteuid() != 0:
            pytest.fail("The rehearsals of the image build and start it as root: run them as root.")
        cache.mkdir(parents=True, exist_ok=True)
        self._cache = cache
        self._program = system_program("buildah", "buildah")

    def run(self, *arguments: str | Path, timeout_s: float = 600) -> str:
        """What buildah prints; an error with all that it said."""
        done = subprocess.run(
            [self._program, *self._store, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        if done.returncode:
            raise AssertionError(f"buildah {arguments[0]}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done.stdout.strip()

    def build(self, tag: str, **arguments: str) -> None:
        """The image of the Dockerfile. Layers that have not changed since the last time are taken from the store."""
        self._have_base()
        # buildah does not see that a label is another one when its argument is.
        known, wanted = self._cache / "arguments.json", json.dumps(arguments)
        fresh = [] if known.exists() and known.read_text() == wanted else ["--no-cache"]
        certificates = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as pip:
            # This machine's way to a registry, which is no part of the image.
            pip.write(f"[global]\ncert = {certificates}\n")
            pip.flush()
            Path(pip.name).chmod(0o644)
            self.run(
                *("bud", "--isolation", "chroot", "--pull-never", "--format", "docker", "--layers", *fresh),
                *("--volume", f"{certificates}:{certificates}:ro", "--volume", f"{pip.name}:/etc/pip.conf:ro"),
                *(word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")),
                *("--file", DOCKERFILE, "--tag", tag, ROOT),
            )
        known.write_text(wanted)

    def config(self, tag: str) -> dict[str, Any]:
        """What the image says of itself: Env, Cmd, User, Healthcheck, Labels and the rest."""
        config: dict[str, Any] = json.loads(self.run("inspect", "--type", "image", tag))["Docker"]["config"]
        return config

    def mounted(self, tag: str) -> tuple[str, Path]:
        """A container of the image that nobody has started, and where its files are. `removed` takes both away."""
        container = self.run("from", "--pull-never", tag)
        return container, Path(self.run("mount", container))

    def removed(self, container: str) -> None:
        """Without the container."""
        self.run("rm", container)

    @cached_property
    def _store(self) -> list[str]:
        place = ["--root", str(self._cache / "buildah"), "--runroot", str(self._cache / "buildah-run")]
        for driver in ("overlay", "vfs"):
            store = ["--storage-driver", driver, *place]
            if not subprocess.run([self._program, *store, "images"], capture_output=True, check=False).returncode:
                return store
        raise AssertionError("buildah can keep images here neither as overlays nor as copies")

    def _have_base(self) -> None:
        name = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
        assert name
        if self.run("images", "--quiet", "--filter", f"reference={name[1]}"):
            return
        pulled = [self._program, *self._store, "pull", "--quiet", name[1]]
        try:
            if not subprocess.run(pulled, capture_output=True, check=False, timeout=PULL_S).returncode:
                return
        except subprocess.TimeoutExpired:
            pass
        self._make_stand_in(name[1])

    def _make_stand_in(self, name: str) -> None:
        container = self.run("from", "scratch")
        try:
            self.run("add", container, self._debian())
            root = Path(self.run("mount", container))
            _copy_python(root / "usr" / "local")
            subprocess.run(["chroot", str(root), "/sbin/ldconfig"], check=True)
            self.run("config", "--label", f"{STAND_IN}=yes", container)
            self.run("commit", "--quiet", container, name)
        finally:
            self.removed(container)

    def _debian(self) -> Path:
        """A small Debian as a tar file, made once."""
        wanted = hashlib.sha256(repr((DEBIAN, LIBRARIES)).encode()).hexdigest()[:12]
        tar = self._cache / f"debian-{wanted}.tar"
        if not tar.exists():
            begun = tar.with_suffix(".begun.tar")
            program = system_program("mmdebstrap", "mmdebstrap")
            options = ["--variant=minbase", f"--include={','.join(LIBRARIES)}", "--quiet"]
            made = subprocess.run([program, *options, DEBIAN, begun], capture_output=True, text=True, check=False)
            assert made.returncode == 0, made.stderr[-4000:]
            begun.rename(tar)
        return tar


def _copy_python(target: Path) -> None:
    """The interpreter of this process and its library, as the real base has them: no packages."""
    own = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    left_out = shutil.ignore_patterns("site-packages", "test", "tests", "__pycache__", "idlelib", "tkinter", "config-*")
    shutil.copytree(own / "lib" / version, target / "lib" / version, ignore=left_out, dirs_exist_ok=True)
    (target / "lib" / version / "site-packages").mkdir(exist_ok=True)
    for library in own.glob("lib/libpython3*.so*"):
        shutil.copy2(library, target / "lib")
    shutil.copy2(own / "bin" / version, target / "bin" / version)
    for link in ("python3", "python"):
        (target / "bin" / link).unlink(missing_ok=True)
        (target / "bin" / link).symlink_to(version)
