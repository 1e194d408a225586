"""Who may deliver: exactly the workflows of one GitHub environment, and each role what its job needs."""

import json
from dataclasses import replace

import pytest

from deploy.environment import Release
from deploy.environments import ENVIRONMENTS, PROD, STAGING
from deploy.place import place_of
from deploy.stacks import delivery
from deploy.tests.templates_of import written_out

EVERYTHING = {
    "ecr:GetAuthorizationToken",
    "ecs:DescribeTaskDefinition",
    "ecs:RegisterTaskDefinition",
}
"""What AWS knows no resource for."""
PUSH = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImageScanFindings",
    "ecr:DescribeImages",
    "ecr:GetAuthorizationToken",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
}
DEPLOY = {
    "cloudformation:DescribeStacks",
    "cloudwatch:DescribeAlarms",
    "ecr:DescribeImages",
    "ecs:DescribeServiceRevisions",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListServiceDeployments",
    "ecs:RegisterTaskDefinition",
    "ecs:RunTask",
    "ecs:StopTask",
    "ecs:UpdateService",
    "iam:PassRole",
    "logs:GetLogEvents",
    "sts:AssumeRole",
}
CODEDEPLOY = {
    "codedeploy:BatchGetDeployments",
    "codedeploy:CreateDeployment",
    "codedeploy:GetApplicationRevision",
    "codedeploy:GetDeployment",
    "codedeploy:GetDeploymentConfig",
    "codedeploy:ListDeployments",
    "codedeploy:RegisterApplicationRevision",
}


def _roles(template):
    roles = [each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::IAM::Role"]
    return {role["RoleName"]: role for role in roles}


def _statements(role):
    return [
        statement
        | {
            "Action": [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"],
            "Resource": statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]],
        }
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


@pytest.fixture(params=list(ENVIRONMENTS))
def environment(request):
    return ENVIRONMENTS[request.param]


@pytest.fixture
def roles(environment, templates):
    return _roles(templates[environment.name]["delivery"])


def test_there_are_two_roles_and_the_workflows_know_them(environment, roles):
    place = place_of(environment)
    assert {f"arn:aws:iam::{environment.account}:role/{name}" for name in roles} == {
        place["push-role"],
        place["deploy-role"],
    }


def test_only_jobs_of_the_environment_of_this_name_are_let_in(environment, roles):
    for role in roles.values():
        assert role["AssumeRolePolicyDocument"]["Statement"] == [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {
                    "Federated": f"arn:aws:iam::{environment.account}:oidc-provider/token.actions.githubusercontent.com"
                },
                "Condition": {
                    "StringEquals": {
                        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                        "token.actions.githubusercontent.com:sub": (
                            f"repo:{environment.repository}:environment:{environment.name}"
                        ),
                    }
                },
            }
        ]
        assert "*" not in json.dumps(role["AssumeRolePolicyDocument"])
        assert "ManagedPolicyArns" not in role


@pytest.mark.parametrize(("what", "allowed"), [("push", PUSH), ("deploy", DEPLOY)])
def test_each_role_may_do_what_its_job_needs_and_no_more(environment, roles, what, allowed):
    statements = _statements(roles[f"eloquent-{environment.name}-{what}"])
    assert {action for statement in statements for action in statement["Action"]} == allowed
    everything = {
        action for statement in statements if statement["Resource"] == ["*"] for action in statement["Action"]
    }
    assert everything <= EVERYTHING
    assert all("*" not in statement["Resource"] for statement in statements if len(statement["Resource"]) > 1)


def test_where_codedeploy_replaces_tasks_who_deploys_may_ask_it_and_for_this_service_alone(tmp_path):
    led = replace(STAGING, release=Release.CODEDEPLOY)
    roles = _roles(written_out(led, tmp_path)["delivery"])
    pushes, deploys = (roles[f"eloquent-staging-{what}"] for what in ("push", "deploy"))
    assert {action for each in _statements(deploys) for action in each["Action"]} == DEPLOY | CODEDEPLOY
    assert {action for each in _statements(pushes) for action in each["Action"]} == PUSH
    asked = [each for each in _statements(deploys) if each["Action"][0].startswith("codedeploy:")]
    at = f"arn:aws:codedeploy:{led.region}:{led.account}"
    assert [resource for each in asked for resource in each["Resource"]] == [
        f"{at}:deploymentgroup:eloquent-staging-api/eloquent-staging-api",
        f"{at}:application:eloquent-staging-api",
        f"{at}:deploymentconfig:CodeDeployDefault.ECSCanary10Percent5Minutes",
    ]


def test_who_pushes_cannot_deploy_and_who_deploys_cannot_push():
    assert {"ecr:PutImage"} & DEPLOY == set()
    assert not any(action.startswith(("ecs:", "iam:", "sts:")) for action in PUSH)


def test_only_the_roles_of_the_application_are_passed_on_and_only_to_tasks(environment, roles):
    (passed,) = [
        each for each in _statements(roles[f"eloquent-{environment.name}-deploy"]) if each["Action"] == ["iam:PassRole"]
    ]
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    assert len(passed["Resource"]) == 2
    for resource in passed["Resource"]:
        # References to the very roles, from the service's stack: no name that another role could take.
        assert f"eloquent-{environment.name}-migration" in json.dumps(resource)
        assert "*" not in json.dumps(resource)


def test_only_the_migrations_are_run_and_only_in_our_cluster(environment, roles):
    (run,) = [
        each for each in _statements(roles[f"eloquent-{environment.name}-deploy"]) if each["Action"] == ["ecs:RunTask"]
    ]
    at = f"arn:aws:ecs:{environment.region}:{environment.account}"
    assert run["Resource"] == [f"{at}:task-definition/eloquent-{environment.name}-migration:*"]
    assert run["Condition"] == {"ArnEquals": {"ecs:cluster": f"{at}:cluster/eloquent-{environment.name}"}}


def test_cdks_roles_are_named_one_by_one_in_both_regions(environment, roles):
    (cdk,) = [
        each
        for each in _statements(roles[f"eloquent-{environment.name}-deploy"])
        if each["Action"] == ["sts:AssumeRole"]
    ]
    assert set(cdk["Resource"]) == {
        f"arn:aws:iam::{environment.account}:role/cdk-hnb659fds-{role}-role-{environment.account}-{region}"
        for role in ("deploy", "file-publishing", "lookup")
        for region in {environment.region, "us-east-1"}
    }


def test_an_account_gets_to_know_github_once(templates):
    brought = [
        name
        for name, stacks in templates.items()
        for resource in stacks["delivery"]["Resources"].values()
        if resource["Type"] == "AWS::IAM::OIDCProvider"
    ]
    accounts = {environment.account for environment in ENVIRONMENTS.values()}
    assert len(brought) == len(accounts)


def test_environments_with_accounts_of_their_own_each_bring_the_issuer(monkeypatch):
    apart = {env.name: env for env in (replace(STAGING, account="111111111111"), replace(PROD, account="222222222222"))}
    monkeypatch.setattr(delivery, "ENVIRONMENTS", apart)
    assert [delivery.brings_issuer(env) for env in apart.values()] == [True, True]
    together = {env.name: env for env in (STAGING, PROD)}
    monkeypatch.setattr(delivery, "ENVIRONMENTS", together)
    assert [delivery.brings_issuer(env) for env in together.values()] == [True, False]
