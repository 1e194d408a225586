"""Who may do what: roles, and what may be done through an endpoint."""

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from deploy import naming
from deploy.environments import ENVIRONMENTS, STAGING
from deploy.factory import context
from deploy.parts.bedrock_access import ACTIONS, bedrock_grants
from deploy.policy.guard import RULES
from deploy.stacks.network import NetworkStack
from deploy.templates import Templates
from deploy.tests.templates_of import all_of, listed

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


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_through_an_endpoint_comes_every_secret_that_a_container_is_given(name, templates):
    env, data = ENVIRONMENTS[name], templates[name]["data"]
    given = set()
    for template in templates[name].values():
        for task in all_of(template, "ECS::TaskDefinition"):
            for secret in (one for container in task["ContainerDefinitions"] for one in container.get("Secrets", [])):
                if isinstance(secret["ValueFrom"], dict):
                    output = secret["ValueFrom"]["Fn::GetStackOutput"]["OutputName"]
                    logical = data["Outputs"][output]["Value"]["Ref"]
                    given.add(data["Resources"][logical]["Properties"]["Name"])
    (statements,) = (several for service, several in endpoints(name, templates).items() if service == "secretsmanager")
    allowed = [resource for one in statements for resource in listed(one["Resource"])]
    # AWS puts six characters of its own behind a secret's name.
    arns = {each: f"arn:aws:secretsmanager:{env.region}:{env.account}:secret:{each}-AbCdEf" for each in given}
    assert len(given) >= 5
    assert [each for each, arn in arns.items() if not any(fnmatchcase(arn, pattern) for pattern in allowed)] == []


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


@pytest.mark.parametrize("model", ["global.amazon.nova-2-lite-v1:0", "jp.amazon.nova-2-lite-v1:0"])
def test_through_the_endpoint_the_very_models_are_asked_that_tasks_may_ask(model):
    env = replace(STAGING, bedrock_model=model)
    app = cdk.App(context=context(), analytics_reporting=False)
    here = cdk.Environment(account=env.account, region=env.region)
    network = NetworkStack(app, naming.stack_name(env, "network"), settings=env, env=here)
    template = assertions.Template.from_stack(network).to_json()
    asked = {
        (resource, action)
        for endpoint in all_of(template, "EC2::VPCEndpoint")
        for statement in endpoint.get("PolicyDocument", {"Statement": []})["Statement"]
        for resource in listed(statement["Resource"])
        for action in listed(statement["Action"])
        if action.startswith("bedrock:")
    }
    may = {resource for grant in bedrock_grants(env) for resource in grant.resources}
    assert asked == {(resource, action) for resource in may for action in ACTIONS}
    assert len(may) > len(env.bedrock_regions)


# Who is inside the network: tasks, and hosts of our own model.
INSIDE = ("migration", "model")


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_through_endpoints_is_let_what_roles_inside_may_do_and_no_more(name, templates):
    through = {
        action
        for statements in endpoints(name, templates).values()
        for statement in statements
        for action in listed(statement["Action"])
    }
    roles = {
        action
        for stack in INSIDE
        for policy in all_of(templates[name].get(stack, {"Resources": {}}), "IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
    }
    # The key is used by those who keep what it encrypts, on their side.
    assert through == {action for action in roles if not action.startswith("kms:")}


def test_what_may_be_done_without_a_resource_is_what_somebody_does(templates):
    text = (RULES / "rights.rego").read_text()
    reviewed = set(re.findall(r'^\t"([a-z]+:\w+)",$', text, re.MULTILINE))
    done = {
        action
        for stacks in templates.values()
        for template in stacks.values()
        for document in [
            *(policy["PolicyDocument"] for policy in all_of(template, "IAM::Policy")),
            *(each["PolicyDocument"] for role in all_of(template, "IAM::Role") for each in role.get("Policies", [])),
        ]
        for statement in document["Statement"]
        if "*" in listed(statement["Resource"])
        for action in listed(statement["Action"])
    }
    assert reviewed == done


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
