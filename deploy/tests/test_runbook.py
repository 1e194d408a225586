"""The runbook: what it points to is there, and what it says to type is a shell's language."""

import json
import re
import subprocess

import pytest

from deploy import naming
from deploy.environments import ENVIRONMENTS
from deploy.parameters import secrets_of
from deploy.tests.watched import RUNBOOK

TEXT = RUNBOOK.read_text()
ROOT = RUNBOOK.parents[1]
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


def test_what_is_named_as_code_is_in_the_code():
    """A constant or a field between backticks; a setting by its name in capitals."""
    every = set(re.findall(r"`([A-Z][A-Z_]{4,}|[a-z]+(?:_[a-z]+)+)`", TEXT))
    assert every
    files = [
        path
        for folder in ("accounts", "chat", "deploy", "eloquent", "inference")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".yaml"} and not {"node_modules", "cdk.out", "tests"} & set(path.parts)
    ]
    words = {word for path in files for word in re.findall(r"\w+", path.read_text())}
    config = (ROOT / "eloquent" / "foundation" / "config").rglob("*.py")
    settings = {
        word.upper() for path in config for word in re.findall(r"^    ([a-z]\w+):", path.read_text(), re.MULTILINE)
    }
    # AWS's own word for a stack that hangs.
    assert every - words - settings == {"UPDATE_ROLLBACK_FAILED"}


def test_buckets_are_called_as_they_are():
    env = ENVIRONMENTS["prod"]
    known = {naming.bucket_name(env, what) for what in ("files", "logs")}
    told = set(re.findall(r"(?:s3://|--bucket )(\S+?)[/ `]", TEXT))
    values = {"ENV": env.name, "$C": f"eloquent-{env.name}", "$AWS_REGION": env.region, "REGION": env.region}
    values["ACCOUNT"] = env.account
    for written, value in values.items():
        told = {each.replace(written, value) for each in told}
    assert told == known


@pytest.mark.parametrize("command", sorted(set(re.findall(r"manage (erasure|audit) (\w+)", TEXT))))
def test_a_task_of_its_own_is_given_no_file_and_writes_nothing_long(command):
    """It has no disk of ours and no standard input, and all that it says goes into the log."""
    assert command not in {("erasure", "verify"), ("audit", "export")}


def test_every_secret_says_how_it_is_rotated():
    table = TEXT.split("### Rotating a secret\n")[1].split("\n### ")[0]
    first = " ".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))
    every = {secret.name for env in ENVIRONMENTS.values() for secret in secrets_of(env)}
    assert every <= set(re.findall(r"[A-Z_]{5,}", first))
