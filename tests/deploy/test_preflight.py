"""`python -m deploy.preflight`: everything that is missing, at once; and nothing when nothing is."""

from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from deploy import naming
from deploy import preflight as command
from deploy.commands import readiness
from deploy.commands.account import Refused
from deploy.commands.quotas import fargate_processors, most_hosts, quotas
from deploy.environments import DEV, PROD, STAGING
from deploy.parameters import secrets_of
from deploy.preflight import preflight
from tests.deploy.aws_rehearsal import template
from tests.deploy.cluster import refusal


class Bedrock:
    """Moto has none."""

    def __init__(self) -> None:
        self.asked = []
        self.lacking = {}

    def get_foundation_model_availability(self, *, modelId):  # noqa: N803
        self.asked.append(modelId)
        good = {"authorizationStatus": "AUTHORIZED", "regionAvailability": "AVAILABLE"}
        return good | {"agreementAvailability": {"status": "AVAILABLE"}} | self.lacking


class Ses:
    """SESv2 with what an account may have."""

    class exceptions:  # noqa: N801 - as botocore has it
        class NotFoundException(Exception):
            pass

    def __init__(self) -> None:
        self.proven, self.sandbox = True, False

    def get_email_identity(self, *, EmailIdentity):  # noqa: N803
        if self.proven is None:
            raise self.exceptions.NotFoundException
        assert EmailIdentity == PROD.hosted_zone_name
        return {"VerifiedForSendingStatus": self.proven}

    def get_account(self):
        return {"ProductionAccessEnabled": not self.sandbox}


PROCESSORS = {"L-3032A538": ("fargate", 50), "L-DB2E81BA": ("ec2", 20)}
"""What prod needs: 12 tasks twice and one that migrates, of 2 each; 4 hosts and one in exchange, of 4 each."""


def quotas_of(**answers):
    """Service Quotas, checked against botocore's description of it: code → value, or the error. Moto knows neither."""
    client = boto3.client("service-quotas", "eu-central-1")
    stub = Stubber(client)
    for code, (service, needed) in PROCESSORS.items():
        answer = answers.get(code.replace("-", "_"), needed)
        asked = {"ServiceCode": service, "QuotaCode": code}
        if isinstance(answer, str):
            stub.add_client_error("get_service_quota", answer, expected_params=asked)
        else:
            quota = {"ServiceCode": service, "QuotaCode": code} | ({} if answer is None else {"Value": float(answer)})
            stub.add_response("get_service_quota", {"Quota": quota}, asked)
    stub.activate()
    return client


@pytest.fixture
def bare(cloud):
    """An account with nothing in it."""
    cloud.instead |= {"bedrock": Bedrock(), "sesv2": Ses(), "service-quotas": quotas_of()}
    return cloud


@pytest.fixture
def ready(bare):
    """One that lacks nothing."""
    for region in ("eu-central-1", "us-east-1"):
        bare.client("ssm", region).put_parameter(Name=readiness.BOOTSTRAP_PARAMETER, Value="30", Type="String")
    bare.push("one")
    bare.push(naming.COLLECTOR_VERSION, naming.COLLECTOR_REPOSITORY)
    bare.push(naming.ollama_image(bare.environment).rpartition(":")[2], naming.OLLAMA_REPOSITORY)
    for secret in secrets_of(bare.environment):
        path = naming.path_of(bare.environment, secret.name)
        bare.client("secretsmanager").create_secret(Name=path, SecretString="a value")
    route53 = bare.client("route53")
    zone = route53.create_hosted_zone(Name=PROD.hosted_zone_name, CallerReference="1")["HostedZone"]["Id"]
    lists = {
        each["PrefixListName"]: each["PrefixListId"]
        for each in bare.client("ec2").describe_managed_prefix_lists()["PrefixLists"]
    }
    bare.environment = replace(
        bare.environment,
        hosted_zone_id=zone.rpartition("/")[2],
        cloudfront_prefix_list=lists["com.amazonaws.global.cloudfront.origin-facing"],
        s3_prefix_list=lists["com.amazonaws.eu-central-1.s3"],
    )
    return bare


def _faults(cloud):
    with pytest.raises(Refused) as refused:
        preflight(cloud.account, "one")
    return str(refused.value)


def test_an_account_that_lacks_nothing_is_ready(ready):
    preflight(ready.account, "one")
    assert ready.said[-1] == "prod is ready for one."
    assert "must be delegated to ns" in ready.said[0]
    # In every region where the profile may have a question answered, by the model's own name.
    assert ready.instead["bedrock"].asked == ["amazon.nova-lite-v1:0"] * len(PROD.bedrock_regions)


def test_a_bare_account_is_told_all_at_once(bare):
    bare.instead["sesv2"].proven = None
    told = _faults(bare)
    for fault in (
        "eu-central-1 is not bootstrapped",
        "us-east-1 is not bootstrapped",
        "no eloquent/api: deploy eloquent-prod-registry first",
        "/eloquent/prod/MONGODB_URI is not there: deploy eloquent-prod-data first",
        "hosted_zone_id",
        "cloudfront_prefix_list",
        "SES may not send for example.org",
    ):
        assert fault in told


def test_the_edges_region_has_to_be_bootstrapped_as_well(ready):
    ready.client("ssm", "us-east-1").delete_parameter(Name=readiness.BOOTSTRAP_PARAMETER)
    told = _faults(ready)
    assert told.splitlines()[1:] == ["  us-east-1 is not bootstrapped: cdk bootstrap aws://123456789012/us-east-1"]


def test_a_bootstrap_that_is_too_old_is_none(ready):
    old = {"Name": readiness.BOOTSTRAP_PARAMETER, "Value": "5", "Type": "String", "Overwrite": True}
    ready.client("ssm").put_parameter(**old)
    assert "eu-central-1 is not bootstrapped" in _faults(ready)


def test_a_secret_without_a_value_is_named_and_what_it_is_for(ready):
    client = ready.client("secretsmanager")
    client.delete_secret(SecretId="/eloquent/prod/MONGODB_URI", ForceDeleteWithoutRecovery=True)
    client.create_secret(Name="/eloquent/prod/MONGODB_URI")
    told, what = _faults(ready).splitlines()[1:], "MongoDB Atlas at its private address"
    assert told == [
        f"  /eloquent/prod/MONGODB_URI has no value ({what}): aws secretsmanager put-secret-value",
    ]


def test_an_image_that_was_not_pushed_is_named(ready):
    ready.client("ecr").batch_delete_image(repositoryName=naming.API_REPOSITORY, imageIds=[{"imageTag": "one"}])
    assert _faults(ready).splitlines()[1:] == ["  the registry has no eloquent/api:one: push it"]


def test_a_zone_of_another_name_is_told(ready):
    ready.environment = replace(
        ready.environment, hosted_zone_name="example.com", domain="api.example.com", frontend_domain="app.example.com"
    )
    told = readiness.zone(ready.account, "one")
    assert "is the zone of example.org." in next(told)


def test_mail_that_only_reaches_ourselves_is_told(ready):
    ready.instead["sesv2"].sandbox = True
    assert "SES is in its sandbox" in _faults(ready)


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ({"authorizationStatus": "NOT_AUTHORIZED"}, "authorizationStatus"),
        ({"regionAvailability": "NOT_AVAILABLE"}, "regionAvailability"),
        ({"agreementAvailability": {"status": "PENDING"}}, "agreementAvailability"),
    ],
)
def test_a_model_that_may_not_be_asked_is_told(ready, lacking, told):
    ready.instead["bedrock"].lacking = lacking
    assert f"no access to amazon.nova-lite-v1:0 ({told})" in _faults(ready)


def test_quotas_that_are_one_processor_too_low_are_told_with_what_is_needed(ready):
    ready.instead["service-quotas"] = quotas_of(L_3032A538=49, L_DB2E81BA=19)
    fargate, hosts = _faults(ready).splitlines()[1:]
    needed = "50 are needed in eu-central-1 (fargate L-3032A538)"
    assert fargate == f"  Fargate's processors: the quota is 49, and {needed}: ask for more"
    needed = "20 are needed in eu-central-1 (ec2 L-DB2E81BA)"
    assert hosts == f"  processors of running G and VT hosts: the quota is 19, and {needed}: ask for more"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("AccessDeniedException", "AccessDeniedException"),
        ("NoSuchResourceException", "NoSuchResourceException"),
        (None, "no value"),
    ],
)
def test_a_quota_that_nobody_tells_is_not_known_and_the_other_one_is_asked(ready, answer, why):
    ready.instead["service-quotas"] = quotas_of(L_3032A538=answer, L_DB2E81BA=0)
    unknown, low = _faults(ready).splitlines()[1:]
    needed = "50 are needed in eu-central-1 (fargate L-3032A538)"
    assert unknown == f"  Fargate's processors: the quota is not known ({why}); {needed}"
    assert "the quota is 0, and 20 are needed" in low


def test_quotas_are_not_known_where_there_is_no_way_to_ask(ready):
    class Away:
        def get_service_quota(self, **_asked):
            raise EndpointConnectionError(endpoint_url="https://servicequotas.eu-central-1.amazonaws.com")

    ready.instead["service-quotas"] = Away()
    told = _faults(ready).splitlines()[1:]
    assert [line.partition(";")[0].partition("(")[2] for line in told] == ["EndpointConnectionError)"] * 2


def test_only_fargates_quota_matters_where_others_answer(ready):
    ready.environment = replace(STAGING, account=ready.environment.account)
    asked = []

    class Quotas:
        def get_service_quota(self, *, ServiceCode, QuotaCode):  # noqa: N803
            asked.append((ServiceCode, QuotaCode))
            return {"Quota": {"Value": 9.0}}

    ready.instead["service-quotas"] = Quotas()
    assert list(quotas(ready.account, "one")) == []
    assert asked == [("fargate", "L-3032A538")]


@pytest.mark.parametrize(("environment", "needed"), [(DEV, 2.5), (STAGING, 9), (PROD, 50)])
def test_a_release_needs_what_its_templates_may_start_at_once(environment, needed):
    (service,) = written(environment, "api", "ECS::Service")
    (scaling,) = written(environment, "api", "ApplicationAutoScaling::ScalableTarget")
    (task,) = written(environment, "api", "ECS::TaskDefinition")
    (migration,) = written(environment, "migration", "ECS::TaskDefinition")
    times = service["DeploymentConfiguration"]["MaximumPercent"] / 100
    units = scaling["MaxCapacity"] * times * int(task["Cpu"]) + int(migration["Cpu"])
    assert fargate_processors(environment) == units / 1024 == needed


def written(environment, stack, kind):
    """The properties of all of a kind in a template."""
    resources = template(environment.name, stack)["Resources"].values()
    return [each["Properties"] for each in resources if each["Type"] == f"AWS::{kind}"]


def test_hosts_are_counted_as_their_group_may_grow(ready):
    (group,) = written(PROD, "model", "AutoScaling::AutoScalingGroup")
    assert str(most_hosts(PROD)) == group["MaxSize"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("g6.huge", "not known how many a g6.huge has (InvalidInstanceType)"),
        ("p5.48xlarge", "the quota of p5.48xlarge is not known here"),
    ],
)
def test_a_host_that_nobody_knows_is_told(ready, kind, told):
    ready.environment = replace(ready.environment, ollama_instance=kind)
    assert told in _faults(ready)


def test_larger_hosts_need_more(ready):
    ready.environment = replace(ready.environment, ollama_instance="g6.2xlarge")
    assert "the quota is 20, and 40 are needed" in _faults(ready)


def test_a_question_that_is_not_allowed_keeps_no_other_from_being_asked(ready):
    class Forbidden(Ses):
        def get_email_identity(self, *, EmailIdentity):  # noqa: N803, ARG002
            raise refusal("GetEmailIdentity", "AccessDeniedException")

    ready.instead["sesv2"] = Forbidden()
    ready.client("ssm").delete_parameter(Name=readiness.BOOTSTRAP_PARAMETER)
    told = _faults(ready)
    assert "mail: AWS refused GetEmailIdentity (AccessDeniedException)" in told
    assert "not bootstrapped" in told


def test_an_environment_without_an_account_is_refused_before_anything_is_asked(capsys):
    assert command.main(["--env", "prod", "--tag", "one"]) == 1
    assert capsys.readouterr().err == "prod has no account yet: name it in deploy/environments.py.\n"
