"""Templates as CloudFormation gets them: written without asking AWS, and read by its linter."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.environments import ENVIRONMENTS
from deploy.tests.conftest import OUT

README = Path(__file__).parents[1] / "README.md"
NAMES = list(ENVIRONMENTS)


@pytest.mark.parametrize("name", NAMES)
def test_an_environment_is_written_out_without_a_question_to_aws(name, platforms):
    manifest = json.loads((OUT / name / "manifest.json").read_text())
    assert "missing" not in manifest
    assert manifest["artifacts"]
    assert not (Path(__file__).parent.parent / "cdk.context.json").exists()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_needs_a_container_or_a_function_to_be_deployed(name, platforms, templates):
    """Assets would need Docker where templates are written, and custom resources a Lambda function in the account."""
    for file in (OUT / name).glob("*.assets.json"):
        assets = json.loads(file.read_text())
        assert not assets.get("dockerImages")
        assert [one for one in assets["files"].values() if not one["source"]["path"].endswith("template.json")] == []
    kinds = {what["Type"] for stack in templates[name].values() for what in stack.get("Resources", {}).values()}
    assert not [kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation::CustomResource"))]


def test_what_bring_up_reads_of_a_stack_is_said_by_it(templates):
    asked = set(re.findall(r"output `(\w+)`", README.read_text()))
    said = {
        name: value["Value"]
        for stack in templates["staging"].values()
        for name, value in stack.get("Outputs", {}).items()
    }
    assert asked == {"AtlasEndpointId", "Connect", "NetworkId"}
    assert asked <= said.keys()
    network = templates["staging"]["network"]["Resources"]
    kinds = {name: network[said[name]["Ref"]]["Type"] for name in ("NetworkId", "AtlasEndpointId")}
    assert kinds == {"NetworkId": "AWS::EC2::VPC", "AtlasEndpointId": "AWS::EC2::VPCEndpoint"}
    # Peered networks have no endpoint.
    assert "AtlasEndpointId" not in templates["dev"]["network"]["Outputs"]


@pytest.mark.parametrize("name", NAMES)
def test_no_stack_is_held_by_an_export_of_another(name, templates):
    text = json.dumps(templates[name])
    assert "Fn::ImportValue" not in text
    assert '"Export"' not in text


def test_the_linter_has_nothing_to_say(templates):
    files = [str(file) for name in NAMES for file in sorted((OUT / name).glob("*.template.json"))]
    assert len(files) == sum(len(stacks) for stacks in templates.values())
    linter = Path(sys.executable).parent / "cfn-lint"
    # W3010: zones are named on purpose, so that nothing has to be looked up.
    done = subprocess.run([str(linter), "-i", "W3010", "--", *files], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0
