"""The rules that a platform keeps to before it is deployed: each is seen red, and all of them green."""

import os
import shutil
import subprocess
from pathlib import Path

import aws_cdk as cdk
import pytest

from deploy import naming
from deploy.environments import ENVIRONMENTS, PROD, STAGING
from deploy.factory import build, context
from deploy.policy.acknowledgements import ACKNOWLEDGED
from deploy.policy.findings import REVIEWED, Finding, findings, in_report, table
from deploy.policy.guard import RULES, add_rules, guard
from deploy.tests.bad_templates import BAD, GOOD

ROOT = Path(__file__).parents[2]
NAMES = list(ENVIRONMENTS)


@pytest.fixture(scope="module")
def found():
    return {name: findings(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_an_environment_is_written_out_when_everything_found_is_acknowledged(name, tmp_path):
    platform = build(ENVIRONMENTS[name], outdir=str(tmp_path))
    guard(platform)
    platform.app.synth()
    assert list(in_report(tmp_path, "")) == []


def test_what_is_found_is_what_was_reviewed(found):
    assert REVIEWED.read_text() == table((name, finding) for name in NAMES for finding in sorted(found[name]))


def test_every_finding_has_a_reason_and_every_reason_a_finding(found):
    every = set().union(*found.values())
    assert [finding for finding in every if not any(finding.is_meant_by(known) for known in ACKNOWLEDGED)] == []
    assert [known for known in ACKNOWLEDGED if not any(finding.is_meant_by(known) for finding in every)] == []


def test_none_of_our_own_rules_is_acknowledged_away():
    """Ours have their exceptions in their own text, where whoever reads the rule sees them."""
    assert [known for known in ACKNOWLEDGED if "ELQ" in known.rule] == []


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Which rules find something, by the name of the template; all templates are judged in one go."""

    def judge(env, templates):
        outdir = tmp_path_factory.mktemp("judged")
        app = cdk.App(context=context(), outdir=str(outdir))
        for name, resources in templates.items():
            stack = cdk.Stack(app, name)
            for logical_id, resource in resources.items():
                made = cdk.CfnResource(stack, logical_id, type=resource["Type"], properties=resource["Properties"])
                for attribute in ("DeletionPolicy", "UpdateReplacePolicy"):
                    if attribute in resource:
                        made.add_override(attribute, resource[attribute])
        add_rules(app, env)
        with pytest.raises(RuntimeError, match="ValidationFailed"):
            app.synth()
        rules = {}
        for finding in in_report(outdir, ""):
            rules.setdefault(finding.construct.partition("/")[0], set()).add(finding.rule)
        return rules

    return judge(PROD, BAD | GOOD), judge(STAGING, BAD)


@pytest.mark.parametrize("name", BAD)
def test_what_a_rule_is_against_is_found(name, judged):
    rule = "-".join(name.split("-")[:2])
    assert any(rule in found.replace("_", "-") for found in judged[0].get(name, ()))


@pytest.mark.parametrize("name", GOOD)
def test_what_a_rule_is_for_is_let_through(name, judged):
    assert [rule for rule in judged[0].get(name, ()) if "ELQ" in rule] == []


def test_data_that_need_not_outlive_its_stack_is_let_go_where_nothing_is_protected(judged):
    assert not any("ELQ" in rule for rule in judged[1].get("ELQ-005-a-secret-that-goes-with-its-stack", ()))


def test_every_rule_of_ours_has_a_template_that_it_is_against():
    written = {f"ELQ-{number:03}" for number in range(1, 8)}
    assert {"-".join(name.split("-")[:2]) for name in BAD} == written
    text = "".join(file.read_text() for file in RULES.iterdir())
    assert all(rule in text for rule in written)


def test_findings_are_told_by_rule_and_construct(tmp_path):
    app = cdk.App(context=context(), outdir=str(tmp_path))
    stack = cdk.Stack(app, naming.stack_name(STAGING, "data"))
    cdk.CfnResource(stack, "group", type="AWS::Logs::LogGroup")
    add_rules(app, STAGING)
    with pytest.raises(RuntimeError):
        app.synth()
    assert [
        finding.construct
        for finding in in_report(tmp_path, naming.stack_name(STAGING, ""))
        if "ELQ" in Finding(*finding).rule
    ] == ["data/group"]


@pytest.fixture
def checkout(tmp_path):
    """The sources in another place: the command line writes beside them, and the work tree stays as it is."""
    elsewhere = shutil.ignore_patterns("node_modules", "cdk.out", "__pycache__", "tests")
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=elsewhere)
    for there in ("deploy/node_modules", ".venv-deploy", "eloquent"):
        (tmp_path / there).symlink_to((ROOT / there).resolve())
    return tmp_path


def test_the_command_line_writes_an_environment_out_and_asks_aws_nothing(checkout):
    """As an owner has it done, with the rules and without credentials, and into the directory that it reads itself."""
    modules = checkout / "deploy" / "node_modules"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    environ |= {
        "ELOQUENT_ENV": "staging",
        "IMAGE_TAG": "0" * 40,
        "JSII_NODE": str(modules / "node" / "bin" / "node"),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [str(modules / "node" / "bin" / "node"), str(modules / ".bin" / "cdk"), "synth", "--quiet"]
    command += ["--no-lookups", "--no-notices", "--strict"]
    done = subprocess.run(command, cwd=checkout / "deploy", env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = list((checkout / "deploy" / "cdk.out").glob("*.template.json"))
    assert len(written) == len(build(STAGING).stacks)
    assert not (checkout / "cdk.out").exists()
