"""The Dockerfile and compose.yaml as their own tools see them."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tools import ROOT, tool

pytestmark = pytest.mark.deploy

COMPOSE = ROOT / "compose.yaml"
DOCKERFILES = sorted((ROOT / "deploy" / "image").glob("*Dockerfile"))


def composed(file: Path = COMPOSE, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [tool("docker-compose"), "--project-directory", ROOT, "--file", file, "config"]
    return subprocess.run(
        command, env={"PATH": os.environ["PATH"], "HOME": "/", **settings}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    done = composed()
    assert done.returncode == 0, done.stderr
    assert "variable is not set" not in done.stderr
    found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    return found


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing_in_a_dockerfile(dockerfile: Path) -> None:
    done = subprocess.run([tool("hadolint"), dockerfile], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /app && sudo pip install django\n")
    assert subprocess.run([tool("hadolint"), bad], capture_output=True, check=False).returncode == 1


def test_everything_that_is_ignored_has_its_reason_above_it() -> None:
    lines = [line for path in DOCKERFILES for line in path.read_text().splitlines()]
    ignored = [at for at, line in enumerate(lines) if "hadolint ignore" in line]
    assert len(ignored) == 2
    assert [lines[at] for at in ignored if not re.match(r"# [A-Z].{20}", lines[at - 1])] == []


def test_one_command_starts_all_in_order(services: dict[str, Any]) -> None:
    assert set(services) == {"api", "migrate", "mongodb", "valkey", "ollama", "model"}
    assert {name: entry["condition"] for name, entry in services["api"]["depends_on"].items()} == {
        "migrate": "service_completed_successfully",
        "model": "service_completed_successfully",
        "mongodb": "service_healthy",
        "valkey": "service_healthy",
    }
    assert services["migrate"]["depends_on"]["mongodb"]["condition"] == "service_healthy"
    assert services["model"]["depends_on"]["ollama"]["condition"] == "service_healthy"
    assert services["migrate"]["command"][:3] == ["python", "manage.py", "migrate_once"]


def test_the_api_alone_is_reached_and_from_this_machine_alone(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"api"}
    assert [port["host_ip"] for port in published["api"]] == ["127.0.0.1"]


@pytest.mark.parametrize("name", ["api", "migrate"])
def test_our_containers_run_with_nothing_that_they_do_not_need(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [mount.partition(":")[0] for mount in service["tmpfs"]] == ["/tmp"]
    assert [(mount["type"], mount["target"]) for mount in service["volumes"]] == [("volume", "/var/lib/eloquent")]


def test_the_api_has_the_time_to_finish_its_answers(services: dict[str, Any]) -> None:
    assert services["api"]["stop_grace_period"] == "2m0s"


def test_no_secret_stands_in_the_file() -> None:
    assert not re.findall(r"(SECRET_KEY|JWT_PRIVATE_KEY|PASSWORD)\s*[:=]", COMPOSE.read_text())


@pytest.mark.parametrize(("said", "model"), [({}, "llama3.2:1b"), ({"OLLAMA_MODEL": "qwen3:0.6b"}, "qwen3:0.6b")])
def test_no_variable_has_to_be_set_and_the_model_and_the_port_can_be_others(said: dict[str, str], model: str) -> None:
    services = yaml.safe_load(composed(PORT="9000", **said).stdout)["services"]
    assert services["api"]["environment"]["OLLAMA_MODEL"] == model
    assert services["model"]["command"] == ["pull", model]
    assert services["api"]["ports"][0]["published"] == "9000"
    assert services["api"]["ports"][0]["target"] == 8000


def test_a_variable_without_a_value_would_be_noticed(tmp_path: Path) -> None:
    text = COMPOSE.read_text().replace("${OLLAMA_MODEL:-llama3.2:1b}", "${OLLAMA_MODEL:?}")
    (tmp_path / "compose.yaml").write_text(text)
    done = composed(file=tmp_path / "compose.yaml")
    assert done.returncode != 0
    assert "OLLAMA_MODEL" in done.stderr


def test_images_of_others_have_a_version(services: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in services.items()}
    assert [image for image in images.values() if re.search(r":latest$|^[^:]+$", image)] == []
