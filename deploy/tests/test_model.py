"""Our own language model: where it runs, who finds it, and how many there are."""

import re
from pathlib import Path

import pytest

from deploy import naming
from deploy.environment import Answering
from deploy.environments import ENVIRONMENTS, PROD
from deploy.tests.templates_of import all_of, container, named, one

IMAGE = Path(__file__).parent.parent / "image"
COMPOSE = IMAGE.parents[1] / "compose.yaml"
DOCKERFILE = IMAGE / "ollama.Dockerfile"
CONFIGURATION = IMAGE / "ollama-tls.conf"


@pytest.fixture
def model(templates):
    return templates[PROD.name]["model"]


def test_there_is_such_a_stack_where_ollama_answers_and_nowhere_else(templates):
    for name, env in ENVIRONMENTS.items():
        assert ("model" in templates[name]) is (Answering.OLLAMA in env.answering), name


def test_the_application_finds_it_by_the_name_that_it_is_given(model, templates):
    record = one(model, "ServiceDiscovery::Service")
    (namespace,) = all_of(templates[PROD.name]["network"], "ServiceDiscovery::PrivateDnsNamespace")
    port = container(model, "tls")["PortMappings"][0]["ContainerPort"]
    assert naming.ollama_host(PROD) == f"https://{record['Name']}.{namespace['Name']}:{port}"
    (kind,) = record["DnsConfig"]["DnsRecords"]
    assert (kind["Type"], kind["TTL"]) == ("A", 10)


def test_a_host_has_no_public_address_and_keeps_its_credentials_to_itself(model, templates):
    template = one(model, "EC2::LaunchTemplate")["LaunchTemplateData"]
    assert "NetworkInterfaces" not in template
    network = templates[PROD.name]["network"]
    for subnet in one(model, "AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"]:
        found = network["Outputs"][subnet["Fn::GetStackOutput"]["OutputName"]]["Value"]["Ref"]
        assert network["Resources"][found]["Properties"]["MapPublicIpOnLaunch"] is False
    assert template["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert "KeyName" not in template
    assert "ECS_AWSVPC_BLOCK_IMDS=true" in str(template["UserData"])


def test_a_hosts_disk_is_encrypted_and_goes_with_it(model):
    (disk,) = one(model, "EC2::LaunchTemplate")["LaunchTemplateData"]["BlockDeviceMappings"]
    assert disk["DeviceName"] == "/dev/xvda"
    assert (disk["Ebs"]["Encrypted"], disk["Ebs"]["DeleteOnTermination"]) == (True, True)


def test_a_host_starts_from_the_image_that_aws_keeps_for_gpus(model):
    (ref,) = one(model, "EC2::LaunchTemplate")["LaunchTemplateData"]["ImageId"].values()
    parameter = model["Parameters"][ref]
    assert parameter["Type"] == "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"
    assert parameter["Default"] == "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"


def test_hosts_come_and_go_with_the_tasks_and_are_emptied_first(model):
    supply = one(model, "ECS::CapacityProvider")["AutoScalingGroupProvider"]
    assert supply["ManagedScaling"] == {"Status": "ENABLED", "TargetCapacity": 100}
    assert supply["ManagedDraining"] == "ENABLED"
    group = one(model, "AutoScaling::AutoScalingGroup")
    assert int(group["MaxSize"]) == PROD.models_most + 1
    assert group["MaxInstanceLifetime"] == 30 * 24 * 3600
    assert len(group["VPCZoneIdentifier"]) == len(PROD.zones)


def test_hosts_and_tasks_are_in_the_models_group_alone(model):
    task = one(model, "ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
    host = one(model, "EC2::LaunchTemplate")["LaunchTemplateData"]
    assert task["SecurityGroups"] == host["SecurityGroupIds"]
    assert "model" in task["SecurityGroups"][0]["Fn::GetStackOutput"]["OutputName"]
    assert task["AssignPublicIp"] == "DISABLED"


def test_a_task_takes_a_whole_gpu_and_one_on_each_host(model):
    found = container(model, "ollama")
    assert found["ResourceRequirements"] == [{"Type": "GPU", "Value": "1"}]
    service = one(model, "ECS::Service")
    assert service["PlacementConstraints"] == [{"Type": "distinctInstance"}]
    # There is no free GPU to start the next one on.
    assert service["DeploymentConfiguration"]["MaximumPercent"] == 100
    assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 50


def test_the_model_is_in_the_image_and_loaded_before_anybody_asks(model):
    found = container(model, "ollama")
    settings = {each["Name"]: each["Value"] for each in found["Environment"]}
    assert settings["OLLAMA_MODEL"] == PROD.ollama_model
    assert settings["OLLAMA_KEEP_ALIVE"] == "-1"
    assert 'ollama ps | grep -qF "$OLLAMA_MODEL"' in found["HealthCheck"]["Command"]
    assert (found["ReadonlyRootFilesystem"], found["User"]) == (True, "10001")


def test_ollama_is_reached_through_tls_alone(model):
    plain, front = container(model, "ollama"), container(model, "tls")
    (listens,) = [each["Value"] for each in plain["Environment"] if each["Name"] == "OLLAMA_HOST"]
    configured = dict(re.findall(r"^(\w+) = (.+)$", CONFIGURATION.read_text(), re.MULTILINE))
    assert configured["sslVersionMin"] == "TLSv1.2"
    assert "PortMappings" not in plain
    assert listens == configured["connect"] == "127.0.0.1:11435"
    assert naming.ollama_host(PROD).endswith(f":{configured['accept']}")
    assert [each["ContainerPort"] for each in front["PortMappings"]] == [int(configured["accept"])]
    assert front["Image"] == plain["Image"]
    assert (front["ReadonlyRootFilesystem"], front["User"], front["Essential"]) == (True, "10001", True)


def test_the_key_of_its_certificate_reaches_what_speaks_tls_and_nobody_else(model, templates):
    (secret,) = container(model, "tls")["Secrets"]
    assert secret["Name"] == "IDENTITY"
    assert "Secrets" not in container(model, "ollama")
    (starting,) = [each for each in all_of(model, "IAM::Policy") if "Starting" in str(each["PolicyName"])]
    rights = {each["Sid"]: each for each in starting["PolicyDocument"]["Statement"]}
    assert rights["Secrets"]["Resource"] == secret["ValueFrom"]
    assert "PlainSettings" not in rights
    written = [
        each for each in all_of(templates[PROD.name]["data"], "SecretsManager::Secret") if "identity" in each["Name"]
    ]
    assert [each["Name"] for each in written] == [naming.model_identity(PROD)]
    assert not {"SecretString", "GenerateSecretString"} & set(written[0])


def test_what_speaks_tls_goes_after_ollama(model):
    assert container(model, "ollama")["DependsOn"] == [{"ContainerName": "tls", "Condition": "START"}]


def test_its_image_is_named_for_what_is_in_it_and_not_for_a_release_of_ours(model):
    image = str(container(model, "ollama")["Image"])
    assert f"/eloquent/ollama:{naming.OLLAMA_VERSION}-llama3.1-8b" in image
    assert "0" * 40 not in image


def test_the_image_is_built_from_the_version_that_is_named():
    lines = DOCKERFILE.read_text()
    assert re.search(r"^ARG OLLAMA_VERSION=(\S+)$", lines, re.MULTILINE).group(1) == naming.OLLAMA_VERSION
    assert re.search(r"^FROM ollama/ollama:\$\{OLLAMA_VERSION\}$", lines, re.MULTILINE)
    assert re.search(r"^USER 10001$", lines, re.MULTILINE)


def test_one_machine_has_the_same_version_as_the_platform():
    versions = re.findall(r"image: ollama/ollama:(\S+)$", COMPOSE.read_text(), re.MULTILINE)
    assert set(versions) == {naming.OLLAMA_VERSION}


def test_there_are_more_while_people_wait_and_fewer_when_nobody_does(model):
    target = one(model, "ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (PROD.ollama_hosts, PROD.models_most)
    alarms = {each["AlarmName"]: each for each in all_of(model, "CloudWatch::Alarm")}
    waiting, idle = alarms["eloquent-prod-model-waiting"], alarms["eloquent-prod-model-idle"]
    assert (waiting["ComparisonOperator"], waiting["TreatMissingData"]) == ("GreaterThanThreshold", "notBreaching")
    assert (idle["ComparisonOperator"], idle["TreatMissingData"]) == ("LessThanThreshold", "breaching")
    # A vendor that is slow is no reason for another host.
    assert {each["MetricName"] for each in alarms.values()} == {"OwnModelFirstToken"}
    changes = {}
    for name, alarm in alarms.items():
        (action,) = alarm["AlarmActions"]
        policy = model["Resources"][action["Ref"]]["Properties"]["StepScalingPolicyConfiguration"]
        changes[name.rpartition("-")[2]] = [each["ScalingAdjustment"] for each in policy["StepAdjustments"]]
    assert changes == {"waiting": [1], "idle": [-1]}


def test_the_service_is_made_after_the_rights_that_its_tasks_start_with(model):
    assert named(model, "IAM::Policy", "Starting")[0] in named(model, "ECS::Service", "Service")[1]["DependsOn"]


def test_the_service_waits_until_its_cluster_knows_its_hosts_and_goes_before_it_forgets_them(model):
    """A service whose supply of capacity does not belong to the cluster yet is refused."""
    ((association, _),) = (
        (logical_id, each)
        for logical_id, each in model["Resources"].items()
        if each["Type"] == "AWS::ECS::ClusterCapacityProviderAssociations"
    )
    assert association in named(model, "ECS::Service", "Service")[1]["DependsOn"]
