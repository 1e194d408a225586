"""Who may do what: roles, and what may be done through an endpoint."""

import json
import re

import pytest

from deploy.environments import ENVIRONMENTS
from deploy.templates import Templates

NAMES = list(ENVIRONMENTS)


def endpoints(name, templates):
    """Statements by the service's name."""
    known = Templates(ENVIRONMENTS[name], templates[name])
    return {
        json.dumps(what["ServiceName"]).strip('"}] ').rpartition(f"{ENVIRONMENTS[name].region}.")[2]: what.get(
            "PolicyDocument", {"Statement": []}
        )["Statement"]
        for _, what in known.of_type("AWS::EC2::VPCEndpoint")
        if "vpce-svc" not in str(what["ServiceName"])
    }


def test_endpoints_are_those_that_the_environment_needs(templates):
    inside = {"ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssm", "xray", "email", "bedrock-runtime"}
    found = {name: {service for service in endpoints(name, templates) if "s3" not in service} for name in NAMES}
    assert found == {"dev": set(), "staging": inside, "prod": inside | {"ecs", "ecs-agent", "ecs-telemetry"}}


@pytest.mark.parametrize("name", NAMES)
def test_through_an_endpoint_only_this_account_gets_through(name, templates):
    env = ENVIRONMENTS[name]
    statements = [(service, one) for service, several in endpoints(name, templates).items() for one in several]
    assert len(statements) >= 3
    strangers = [
        (service, one["Resource"])
        for service, one in statements
        if one.get("Condition") != {"StringEquals": {"aws:PrincipalAccount": env.account}}
    ]
    assert [resource for _, resource in strangers] == [f"arn:aws:s3:::prod-{env.region}-starport-layer-bucket/*"]


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_through_an_endpoint_nothing_of_another_environment_is_reached(name, templates):
    others = "|".join(set(NAMES) - {name})
    text = json.dumps(endpoints(name, templates))
    assert f"/eloquent/{name}/*" in text
    assert not re.search(rf"eloquent[/-]({others})\b", text)


def test_a_profile_is_asked_with_the_model_in_each_of_its_regions(templates):
    env = ENVIRONMENTS["prod"]
    resources = set()
    for statement in endpoints("prod", templates)["bedrock-runtime"]:
        named = statement["Resource"]
        resources |= {named} if isinstance(named, str) else set(named)
    model = "foundation-model/amazon.nova-lite-v1:0"
    assert resources == {
        f"arn:aws:bedrock:{env.region}:{env.account}:inference-profile/{env.bedrock_model}",
        *(f"arn:aws:bedrock:{region}::{model}" for region in env.bedrock_regions),
    }


@pytest.mark.parametrize("name", NAMES)
def test_nobody_but_the_owners_account_manages_the_key_of_what_is_kept(name, templates):
    ((_, key),) = Templates(ENVIRONMENTS[name], {"data": templates[name]["data"]}).of_type("AWS::KMS::Key")
    principals = {json.dumps(one["Principal"]) for one in key["KeyPolicy"]["Statement"]}
    assert principals == {json.dumps({"AWS": f"arn:aws:iam::{ENVIRONMENTS[name].account}:root"})}
    assert key["EnableKeyRotation"] is True


@pytest.mark.parametrize("name", NAMES)
def test_logs_are_written_by_those_who_write_them_for_this_account(name, templates):
    env = ENVIRONMENTS[name]
    policy = templates[name]["data"]["Resources"]["logsPolicy42E8B048"]["Properties"]["PolicyDocument"]
    writers = {
        one["Principal"]["Service"]: one["Condition"]["StringEquals"]["aws:SourceAccount"]
        for one in policy["Statement"]
        if one["Effect"] == "Allow"
    }
    assert writers == dict.fromkeys(
        (
            "delivery.logs.amazonaws.com",
            "logdelivery.elasticloadbalancing.amazonaws.com",
            "logging.s3.amazonaws.com",
        ),
        env.account,
    )
