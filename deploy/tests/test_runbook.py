"""The runbook: what it points to is there, and what it says to type is a shell's language."""

import json
import re
import subprocess

import pytest

from deploy.environments import ENVIRONMENTS
from deploy.parameters import secrets_of
from deploy.tests.watched import RUNBOOK

TEXT = RUNBOOK.read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


def anchors():
    """As GitHub makes them of headings."""
    return {
        re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }


def test_every_link_leads_to_a_heading():
    links = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    assert links
    assert links <= anchors()


@pytest.mark.parametrize("block", BLOCKS)
def test_what_is_typed_is_understood_by_a_shell(block):
    assert subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False).stderr == ""


def test_a_command_of_the_application_is_one_task_with_its_words():
    (block,) = (each for each in BLOCKS if each.startswith("out()"))
    # `aws` notes what it was asked, and answers as far as the function reads it.
    stub = """
    aws() {
      printf '%s\\0' "$@" >&2; printf '\\n' >&2
      case "$1 $2" in
        "cloudformation describe-stacks") echo value ;;
        "ecs run-task") echo arn:aws:ecs:r:1:task/c/abc ;;
        "logs get-log-events") echo said ;;
      esac
    }
    C=eloquent-prod; LOGS=/eloquent/prod/api
    """
    done = subprocess.run(
        ["bash", "-c", f"{stub}\n{block}\nmanage usage report --by day,model"],
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == "said\n"
    calls = [line.split("\0")[:-1] for line in done.stderr.splitlines() if line]
    (run,) = (call for call in calls if call[:2] == ["ecs", "run-task"])
    overrides = json.loads(run[run.index("--overrides") + 1])
    assert overrides == {
        "containerOverrides": [
            {"name": "migration", "command": ["python", "manage.py", "usage", "report", "--by", "day,model"]}
        ]
    }
    network = run[run.index("--network-configuration") + 1]
    assert network == "awsvpcConfiguration={subnets=[value],securityGroups=[value],assignPublicIp=DISABLED}"
    (logs,) = (call for call in calls if call[:2] == ["logs", "get-log-events"])
    assert logs[logs.index("--log-stream-name") + 1] == "migration/migration/abc"


def test_every_secret_says_how_it_is_rotated():
    table = TEXT.split("### Rotating a secret\n")[1].split("\n### ")[0]
    first = " ".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))
    every = {secret.name for env in ENVIRONMENTS.values() for secret in secrets_of(env)}
    assert every <= set(re.findall(r"[A-Z_]{5,}", first))
