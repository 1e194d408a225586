"""An environment's templates, brought up in moto in the place of CloudFormation, as far as moto goes.

What `deploy/` writes is read, not made anew: `make test-deploy` writes it first. moto knows no references to other
stacks' outputs (`Fn::GetStackOutput`), so they are filled in here, from the outputs that moto has.
"""

import json
from pathlib import Path
from typing import Any

import boto3

WRITTEN = Path(__file__).resolve().parents[2] / "deploy" / "cdk.out"


# moto's CloudFormation cannot make rules from prefix lists, nor routes to a peer that it does not have.
_BEYOND_MOTO = {"SourcePrefixListId", "VpcPeeringConnectionId"}
_UNKNOWN_TO_MOTO = "AWS::ServiceDiscovery::PrivateDnsNamespace"


def template(environment: str, stack: str) -> dict[str, Any]:
    """A template as it was written, but for what is beyond moto."""
    written = json.loads((WRITTEN / environment / f"eloquent-{environment}-{stack}.template.json").read_text())
    resources = {
        name: one
        for name, one in written["Resources"].items()
        if not _BEYOND_MOTO.intersection(one.get("Properties", {}))
    }
    outputs = {
        name: one
        for name, one in written.get("Outputs", {}).items()
        if not _is_of(one["Value"], resources, _UNKNOWN_TO_MOTO)
    }
    for one in resources.values():
        # moto takes tags of keys and parameters for something else.
        one.get("Properties", {}).pop("Tags", None)
    return written | {"Resources": resources, "Outputs": outputs}


def _is_of(value: Any, resources: dict[str, Any], kind: str) -> bool:
    match value:
        case {"Fn::GetAtt": [str(name), _]}:
            return name in resources and resources[name]["Type"] == kind
    return False


def bring_up(environment: str, region: str, *stacks: str) -> dict[str, dict[str, str]]:
    """Create the stacks in this order; the ids of what each made, by its logical ids."""
    # What `cdk bootstrap` leaves in an account.
    boto3.client("ssm", region).put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    cloudformation = boto3.client("cloudformation", region)
    for stack in stacks:
        body = _with_outputs(template(environment, stack), cloudformation)
        cloudformation.create_stack(
            StackName=f"eloquent-{environment}-{stack}",
            TemplateBody=json.dumps(body),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    return {stack: _resources(cloudformation, f"eloquent-{environment}-{stack}") for stack in stacks}


def _resources(cloudformation: Any, stack: str) -> dict[str, str]:
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        one["LogicalResourceId"]: one["PhysicalResourceId"] for page in pages for one in page["StackResourceSummaries"]
    }


def _with_outputs(value: Any, cloudformation: Any) -> Any:
    match value:
        case {"Fn::GetStackOutput": {"StackName": name, "OutputName": output}}:
            (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
            return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}[output]
        case dict():
            return {key: _with_outputs(one, cloudformation) for key, one in value.items()}
        case list():
            return [_with_outputs(one, cloudformation) for one in value]
    return value
