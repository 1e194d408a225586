"""What tasks, hosts and services may do, read from the templates: each right, and each resource by its name."""

from dataclasses import replace

import pytest

from deploy import naming, parameters
from deploy.environments import DEV, ENVIRONMENTS, PROD, STAGING
from deploy.parts.bedrock_access import Grant, bedrock_grants
from deploy.tests.templates_of import all_of, listed, named

NAMES = tuple(ENVIRONMENTS)
# AWS knows no resource for these.
WITHOUT_RESOURCE = {"ecr:GetAuthorizationToken", "xray:PutTraceSegments", "ecs:DiscoverPollEndpoint"}
# What a star stands for: names that are made while it runs.
NAMES_MADE_LATER = (":log-stream:*", "/attachments/*", "/exports/*", ":container-instance/")


def statements(templates, name):
    for template in templates[name].values():
        for policy in all_of(template, "IAM::Policy"):
            yield from policy["PolicyDocument"]["Statement"]


def rights(template, role):
    """The statements of a role's policy, by their names."""
    policy = named(template, "IAM::Policy", role)[1]["Properties"]
    return {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}


@pytest.mark.parametrize("name", NAMES)
def test_no_right_is_for_everything_but_where_aws_knows_no_resource(templates, name):
    found = list(statements(templates, name))
    assert found
    for each in found:
        assert each["Effect"] == "Allow"
        assert "*" not in str(each["Action"]), each
        if each["Resource"] == "*":
            assert set(listed(each["Action"])) <= WITHOUT_RESOURCE, each


@pytest.mark.parametrize("name", NAMES)
def test_a_star_in_a_resource_stands_for_names_that_are_made_later(templates, name):
    starred = {
        str(resource)
        for each in statements(templates, name)
        for resource in listed(each["Resource"])
        if "*" in str(resource) and resource != "*"
    }
    assert [each for each in starred if not any(part in each for part in NAMES_MADE_LATER)] == []


@pytest.mark.parametrize("name", NAMES)
def test_what_starts_a_task_reads_its_own_settings_and_secrets_and_no_others(templates, name):
    env = ENVIRONMENTS[name]
    found = rights(templates[name]["migration"], "Starting")
    assert found["PlainSettings"]["Action"] == "ssm:GetParameters"
    assert set(found["PlainSettings"]["Resource"]) == {
        naming.parameter_arn(env, setting) for setting in parameters.plain_settings(env)
    }
    assert found["Secrets"]["Action"] == "secretsmanager:GetSecretValue"
    # Each is the very reference that the definition has.
    (task,) = (
        each for each in all_of(templates[name]["api"], "ECS::TaskDefinition") if each["Family"].endswith("-api")
    )
    handed_over = [each["ValueFrom"] for each in task["ContainerDefinitions"][0]["Secrets"]]
    secret = [each for each in handed_over if isinstance(each, dict)]
    assert sorted(map(str, found["Secrets"]["Resource"])) == sorted(map(str, secret))
    assert len(secret) == len(parameters.secrets_of(env))
    assert set(found) == {"RegistryToken", "Images", "Logs", "PlainSettings", "Secrets", "SecretsKey"}


@pytest.mark.parametrize("name", NAMES)
def test_the_application_itself_may_read_no_setting_and_no_secret(templates, name):
    found = rights(templates[name]["migration"], "Answering")
    wanted = {"Files", "FilesNames", "FilesKey", "Mail", "Traces"}
    assert set(found) - {"Bedrock", "BedrockModels"} == wanted
    assert not {
        action
        for each in found.values()
        for action in listed(each["Action"])
        if action.startswith(("ssm:", "secretsmanager:", "iam:", "sts:", "ecs:"))
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_key_serves_through_one_service_each(templates, name):
    env, before = ENVIRONMENTS[name], templates[name]["migration"]
    for role, sid, service in (("Starting", "SecretsKey", "secretsmanager"), ("Answering", "FilesKey", "s3")):
        found = rights(before, role)[sid]
        assert found["Condition"] == {"StringEquals": {"kms:ViaService": f"{service}.{env.region}.amazonaws.com"}}
        assert found["Resource"]["Fn::GetStackOutput"]["StackName"] == naming.stack_name(env, "data")


@pytest.mark.parametrize("name", NAMES)
def test_files_are_those_of_this_environment_alone(templates, name):
    found = rights(templates[name]["migration"], "Answering")
    bucket = f"arn:aws:s3:::{naming.bucket_name(ENVIRONMENTS[name], 'files')}"
    assert found["Files"]["Resource"] == [f"{bucket}/attachments/*", f"{bucket}/exports/*"]
    assert found["FilesNames"]["Resource"] == bucket


@pytest.mark.parametrize("name", NAMES)
def test_letters_go_out_from_the_one_address(templates, name):
    env = ENVIRONMENTS[name]
    mail = rights(templates[name]["migration"], "Answering")["Mail"]
    assert mail["Resource"] == f"arn:aws:ses:{env.region}:{env.account}:identity/{env.hosted_zone_name}"
    address = mail["Condition"]["StringEquals"]["ses:FromAddress"]
    assert f"<{address}>" in parameters.plain_settings(env)["MAIL_FROM"]


def test_a_profile_is_asked_for_itself_and_in_each_of_its_regions(templates):
    found = rights(templates["prod"]["migration"], "Answering")
    profile = "arn:aws:bedrock:eu-central-1:000000000000:inference-profile/eu.amazon.nova-lite-v1:0"
    assert found["Bedrock"]["Resource"] == profile
    assert found["BedrockModels"]["Resource"] == [
        f"arn:aws:bedrock:{region}::foundation-model/amazon.nova-lite-v1:0"
        for region in ("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-3")
    ]
    assert found["BedrockModels"]["Condition"] == {"StringEquals": {"bedrock:InferenceProfileArn": profile}}
    for each in ("Bedrock", "BedrockModels"):
        assert found[each]["Action"] == ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]


def test_where_bedrock_does_not_answer_nobody_may_ask_it(templates):
    assert "bedrock:" not in str(list(statements(templates, DEV.name)))
    assert "bedrock:" in str(list(statements(templates, STAGING.name)))


def test_a_model_without_a_profile_is_asked_where_we_are():
    env = replace(STAGING, bedrock_model="amazon.nova-lite-v1:0", bedrock_regions=())
    assert bedrock_grants(env) == (Grant(("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",)),)


def test_a_global_profile_is_asked_without_a_region_too():
    env = replace(STAGING, bedrock_model="global.amazon.nova-2-lite-v1:0")
    assert "arn:aws:bedrock:::foundation-model/amazon.nova-2-lite-v1:0" in bedrock_grants(env)[1].resources


def test_a_host_works_for_its_own_cluster_alone(templates):
    found = rights(templates["prod"]["model"], "Host")
    cluster = naming.service_name(PROD, "model")
    here = f"arn:aws:ecs:{PROD.region}:{PROD.account}"
    assert found["JoinCluster"]["Resource"] == f"{here}:cluster/{cluster}"
    assert set(found["WorkForCluster"]["Resource"]) == {
        f"{here}:cluster/{cluster}",
        f"{here}:container-instance/{cluster}/*",
    }


def test_the_model_has_no_right_at_all(templates):
    model = templates["prod"]["model"]
    (role, _) = named(model, "IAM::Role", "Answering")
    assert [each for each in all_of(model, "IAM::Policy") if {"Ref": role} in each["Roles"]] == []
    assert "ManagedPolicyArns" not in named(model, "IAM::Role", "Answering")[1]["Properties"]


@pytest.mark.parametrize("name", NAMES)
def test_a_role_of_a_service_is_for_this_account_alone(templates, name):
    open_to_any = {
        statement["Principal"]["Service"]
        for template in templates[name].values()
        for role in all_of(template, "IAM::Role")
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
        if "aws:SourceAccount" not in str(statement.get("Condition", "")) and "Service" in statement["Principal"]
    }
    # EC2 says nothing of the account: a host's role is handed out by the instance profile.
    assert open_to_any <= {"ec2.amazonaws.com"}
