"""The service behind its load balancer: where it is, what it gets, and what it leaves to others."""

import pytest
import yaml

from deploy import naming, parameters
from deploy.application_settings import SAID_BY_THE_TASK
from deploy.environments import DEV, ENVIRONMENTS, PROD
from deploy.parts import sidecar
from deploy.tests.templates_of import TAG, all_of, container, named, one

NAMES = tuple(ENVIRONMENTS)
LATER_STACKS = ("model", "migration", "api", "edge", "frontend")
STACK_OF = {"api": "api", "collector": "api", "migration": "migration"}
"""Container → stack."""


def image_of(definition):
    match definition["Image"]:
        case {"Fn::Join": ["", [str(host), {"Ref": "AWS::URLSuffix"}, str(rest)]]}:
            return f"{host}amazonaws.com{rest}"
    return definition["Image"]


def settings_of(definition):
    return {each["Name"]: each["Value"] for each in definition["Environment"]}


def secrets_of(definition):
    return {each["Name"]: each["ValueFrom"] for each in definition["Secrets"]}


@pytest.mark.parametrize("name", NAMES)
def test_the_load_balancer_has_no_public_address_and_takes_no_nonsense(templates, name):
    found = one(templates[name]["api"], "ElasticLoadBalancingV2::LoadBalancer")
    assert found["Scheme"] == "internal"
    attributes = {each["Key"]: each["Value"] for each in found["LoadBalancerAttributes"]}
    assert attributes["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert attributes["routing.http.desync_mitigation_mode"] == "strictest"
    assert attributes["routing.http.xff_header_processing.mode"] == "append"
    assert attributes["routing.http.preserve_host_header.enabled"] == "true"
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"] == naming.bucket_name(ENVIRONMENTS[name], "logs")
    assert attributes.get("deletion_protection.enabled", "false") == str(ENVIRONMENTS[name].protected).lower()


@pytest.mark.parametrize("name", NAMES)
def test_it_speaks_tls_alone_with_a_certificate_for_both_of_its_names(templates, name):
    api, env = templates[name]["api"], ENVIRONMENTS[name]
    listener = one(api, "ElasticLoadBalancingV2::Listener")
    assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")
    assert listener["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    certificate = one(api, "CertificateManager::Certificate")
    assert {certificate["DomainName"], *certificate["SubjectAlternativeNames"]} == {
        env.domain,
        naming.origin_domain(env),
    }
    assert {each["HostedZoneId"] for each in certificate["DomainValidationOptions"]} == {env.hosted_zone_id}


@pytest.mark.parametrize("name", NAMES)
def test_who_asks_for_another_host_is_sent_away(templates, name):
    (action,) = one(templates[name]["api"], "ElasticLoadBalancingV2::Listener")["DefaultActions"]
    assert action["Type"] == "fixed-response"
    assert action["FixedResponseConfig"]["StatusCode"] == "421"


@pytest.mark.parametrize("name", NAMES)
def test_no_later_stack_makes_a_security_group_or_a_rule_of_one(templates, name):
    for stack in LATER_STACKS:
        kinds = {each["Type"] for each in templates[name].get(stack, {"Resources": {}})["Resources"].values()}
        assert not {kind for kind in kinds if "SecurityGroup" in kind}, stack


@pytest.mark.parametrize("name", NAMES)
def test_tasks_have_no_public_address_and_the_applications_group_alone(templates, name):
    service = one(templates[name]["api"], "ECS::Service")
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    (group,) = network["SecurityGroups"]
    assert "api" in group["Fn::GetStackOutput"]["OutputName"]
    assert len(network["Subnets"]) == len(ENVIRONMENTS[name].zones)
    assert service["PlatformVersion"] == "1.4.0"
    assert service["EnableExecuteCommand"] is False


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["api", "migration", "collector"])
def test_a_container_can_write_nowhere_but_into_its_tmp(templates, name, what):
    found = container(templates[name][STACK_OF[what]], what)
    assert found["ReadonlyRootFilesystem"] is True
    mounted = [each["ContainerPath"] for each in found.get("MountPoints", [])]
    assert mounted == ([] if what == "collector" else ["/tmp"])
    assert found["User"] == "10001"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["api", "migration"])
def test_settings_come_from_where_they_lie_and_no_secret_is_written_down(templates, name, what):
    env = ENVIRONMENTS[name]
    handed_over = secrets_of(container(templates[name][STACK_OF[what]], what))
    plain = {setting: naming.parameter_arn(env, setting) for setting in parameters.plain_settings(env)}
    assert {setting: handed_over[setting] for setting in plain} == plain
    secret = {each.name for each in parameters.secrets_of(env)}
    assert set(handed_over) == set(plain) | secret
    for setting in secret:
        (kind,) = handed_over[setting]
        assert kind == "Fn::GetStackOutput"
        assert handed_over[setting][kind]["StackName"] == naming.stack_name(env, "data")
    assert not set(settings_of(container(templates[name][STACK_OF[what]], what))) & (secret | set(plain))


@pytest.mark.parametrize("name", NAMES)
def test_the_application_is_told_where_it_is_and_who_stands_beside_it(templates, name):
    assert settings_of(container(templates[name]["api"], "api")) == {
        "AWS_REGION": ENVIRONMENTS[name].region,
        "ELOQUENT_ENV": name,
        "ELOQUENT_RELEASE": TAG,
        "PRODUCTION_RULES": "true",
        "HOST": "0.0.0.0",
        "PORT": "8000",
        "OTEL_SERVICE_NAME": "eloquent",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "METRICS_FORMAT": "emf",
    }


@pytest.mark.parametrize("name", NAMES)
def test_what_the_task_says_is_no_setting_of_an_environment(templates, name):
    said = settings_of(container(templates[name]["api"], "api"))
    # Where settings come from it does not say: all of them are handed over.
    assert {*said, "CONFIG_SOURCE"} == SAID_BY_THE_TASK


@pytest.mark.parametrize("name", NAMES)
def test_migrations_run_in_the_very_image_of_the_release_and_without_a_collector(templates, name):
    api, before, env = templates[name]["api"], templates[name]["migration"], ENVIRONMENTS[name]
    migration = container(before, "migration")
    assert image_of(migration) == image_of(container(api, "api")) == naming.image_of(env, "eloquent/api", TAG)
    assert migration["Command"] == ["python", "manage.py", "migrate_once"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in settings_of(migration)
    service, alone = (one_task(api, "Task"), one_task(before, "Migration"))
    assert [each["Name"] for each in alone["ContainerDefinitions"]] == ["migration"]
    for role in ("ExecutionRoleArn", "TaskRoleArn"):
        (_, attribute), borrowed = alone[role]["Fn::GetAtt"], service[role]["Fn::GetStackOutput"]
        assert attribute == "Arn"
        assert borrowed["StackName"] == naming.stack_name(env, "migration")
        assert before["Outputs"][borrowed["OutputName"]]["Value"] == alone[role]
    assert {"MigrationSubnets", "MigrationGroup"} <= set(before["Outputs"])


def one_task(template, beginning):
    return named(template, "ECS::TaskDefinition", beginning)[1]["Properties"]


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_our_own(templates, name):
    env = ENVIRONMENTS[name]
    own = f"{env.account}.dkr.ecr.{env.region}.amazonaws.com/eloquent/"
    found = [
        image_of(each)
        for stack in ("migration", "api", "model")
        if stack in templates[name]
        for task in all_of(templates[name][stack], "ECS::TaskDefinition")
        for each in task["ContainerDefinitions"]
    ]
    assert found
    assert [image for image in found if not image.startswith(own)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_slow_log_holds_no_answer_up(templates, name):
    for what in ("api", "migration", "collector"):
        options = container(templates[name][STACK_OF[what]], what)["LogConfiguration"]["Options"]
        assert options["mode"] == "non-blocking"
        assert options["max-buffer-size"] == f"{25 * 1024 * 1024}b"
    group = one(templates[name]["migration"], "Logs::LogGroup")
    assert group["LogGroupName"] == f"/eloquent/{name}/api"
    assert group["RetentionInDays"] == int(ENVIRONMENTS[name].log_days)


@pytest.mark.parametrize("name", NAMES)
def test_alive_is_asked_by_ecs_and_ready_by_the_load_balancer(templates, name):
    api = templates[name]["api"]
    alive = ["CMD", "python", "-m", "eloquent.serving.probe", "--tls"]
    assert container(api, "api")["HealthCheck"]["Command"] == alive
    for group in all_of(api, "ElasticLoadBalancingV2::TargetGroup"):
        assert (group["HealthCheckPath"], group["Matcher"]) == ("/readyz", {"HttpCode": "200"})
    # What is unready is ended only when another one is ready: for that there must be room for the other one.
    assert one(api, "ECS::Service")["DeploymentConfiguration"]["MaximumPercent"] == 200


@pytest.mark.parametrize("name", NAMES)
def test_the_load_balancer_and_the_application_speak_tls(templates, name):
    api = templates[name]["api"]
    assert "--tls" in container(api, "api")["Command"]
    for group in all_of(api, "ElasticLoadBalancingV2::TargetGroup"):
        assert (group["Protocol"], group["HealthCheckProtocol"]) == ("HTTPS", "HTTPS")


@pytest.mark.parametrize("name", NAMES)
def test_the_service_is_made_after_the_rights_that_its_tasks_start_with_and_the_task_that_migrates(platforms, name):
    (api,) = (stack for stack in platforms[name].stacks if stack.stack_name.endswith("-api"))
    before = {stack.stack_name for stack in api.dependencies}
    assert naming.stack_name(ENVIRONMENTS[name], "migration") in before


@pytest.mark.parametrize("name", NAMES)
def test_tasks_follow_the_processor_and_the_answers_in_flight(templates, name):
    api, env = templates[name]["api"], ENVIRONMENTS[name]
    target = one(api, "ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (env.tasks_least, env.tasks_most)
    # A number of its own would undo the scaling at each release.
    assert "DesiredCount" not in one(api, "ECS::Service")
    policies = [
        each["TargetTrackingScalingPolicyConfiguration"]
        for each in all_of(api, "ApplicationAutoScaling::ScalingPolicy")
    ]
    (processor,) = (each for each in policies if "PredefinedMetricSpecification" in each)
    assert processor["PredefinedMetricSpecification"] == {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}
    assert processor["TargetValue"] == 60
    (streams,) = (each for each in policies if "CustomizedMetricSpecification" in each)
    metric = streams["CustomizedMetricSpecification"]
    assert (metric["Namespace"], metric["MetricName"]) == ("Eloquent", "StreamsInFlight")
    assert {each["Name"]: each["Value"] for each in metric["Dimensions"]} == {
        "Environment": name,
        "Service": "eloquent",
    }
    # The average is that of a process.
    assert metric["Statistic"] == "Average"
    assert streams["TargetValue"] * env.workers == env.streams_a_task


def test_the_collectors_configuration_holds_together():
    found = yaml.safe_load(sidecar.CONFIGURATION.read_text())
    (pipeline,) = found["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) == set(found[kind]), kind
    assert set(found["service"]["extensions"]) == set(found["extensions"])
    assert f"http://{found['receivers']['otlp']['protocols']['http']['endpoint']}" == sidecar.ENDPOINT
    assert pipeline["processors"][0] == "memory_limiter"
    assert found["processors"]["memory_limiter"]["limit_mib"] < sidecar.MEMORY_MIB
    assert set(found["exporters"]) == {"awsxray"}


@pytest.mark.parametrize("name", NAMES)
def test_without_its_collector_the_application_goes_on(templates, name):
    collector = container(templates[name]["api"], "collector")
    assert collector["Essential"] is False
    assert collector["RestartPolicy"]["Enabled"] is True
    assert container(templates[name]["api"], "api")["Essential"] is True


def test_what_outlives_its_stack_is_what_is_protected(templates):
    kept = {
        name: named(templates[name]["migration"], "Logs::LogGroup", "Logs")[1]["DeletionPolicy"]
        for name in (DEV.name, PROD.name)
    }
    assert kept == {"dev": "Delete", "prod": "RetainExceptOnCreate"}
