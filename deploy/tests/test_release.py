"""How a new version takes over, in each of the three ways, and what takes it back."""

from dataclasses import replace

import pytest

from deploy.environment import Release
from deploy.environments import DEV, PROD, STAGING
from deploy.tests.templates_of import all_of, named, one, written_out

WAYS = {"rolling": STAGING, "blue-green": PROD, "codedeploy": replace(STAGING, release=Release.CODEDEPLOY)}
ALARMS = ["eloquent-{}-release-errors", "eloquent-{}-release-unready"]


@pytest.fixture(scope="session")
def by_way(templates, tmp_path_factory):
    """The service's template, by the way of releasing."""
    return {
        "rolling": templates["staging"]["api"],
        "blue-green": templates["prod"]["api"],
        "codedeploy": written_out(WAYS["codedeploy"], tmp_path_factory.mktemp("codedeploy"))["api"],
    }


def deployment(template):
    return one(template, "ECS::Service")["DeploymentConfiguration"]


@pytest.mark.parametrize("way", ["rolling", "blue-green"])
def test_a_version_that_does_not_come_up_goes_back(by_way, way):
    assert deployment(by_way[way])["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert one(by_way[way], "ECS::Service")["DeploymentController"] == {"Type": "ECS"}


@pytest.mark.parametrize("way", ["rolling", "blue-green"])
def test_a_version_that_raises_an_alarm_goes_back_by_the_alarms_name(by_way, way):
    wanted = [each.format(WAYS[way].name) for each in ALARMS]
    assert deployment(by_way[way])["Alarms"] == {"AlarmNames": wanted, "Enable": True, "Rollback": True}


@pytest.mark.parametrize("way", list(WAYS))
def test_the_alarms_are_there_before_the_service(by_way, way):
    template = by_way[way]
    made = {each["AlarmName"] for each in all_of(template, "CloudWatch::Alarm")}
    assert made == {each.format(WAYS[way].name) for each in ALARMS}
    alarms = {name for name, each in template["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms <= set(named(template, "ECS::Service", "Service")[1]["DependsOn"])


@pytest.mark.parametrize("way", list(WAYS))
def test_the_old_tasks_stay_until_as_many_new_ones_are_ready(by_way, way):
    found = deployment(by_way[way])
    assert (found["MinimumHealthyPercent"], found["MaximumPercent"]) == (100, 200)


def test_rolling_has_one_group_of_targets_and_no_other_strategy(by_way):
    template = by_way["rolling"]
    assert len(all_of(template, "ElasticLoadBalancingV2::TargetGroup")) == 1
    assert "Strategy" not in deployment(template)
    (attached,) = one(template, "ECS::Service")["LoadBalancers"]
    assert "AdvancedConfiguration" not in attached


def test_blue_green_moves_everybody_at_once_and_keeps_the_old_version(by_way):
    found = deployment(by_way["blue-green"])
    assert (found["Strategy"], found["BakeTimeInMinutes"]) == ("BLUE_GREEN", 15)


def test_blue_green_moves_people_by_its_rule_between_its_two_groups(by_way):
    template = by_way["blue-green"]
    blue, green, rule = (
        named(template, f"ElasticLoadBalancingV2::{kind}", beginning)[0]
        for kind, beginning in (("TargetGroup", "Blue"), ("TargetGroup", "Green"), ("ListenerRule", "Everything"))
    )
    (attached,) = one(template, "ECS::Service")["LoadBalancers"]
    assert attached["TargetGroupArn"] == {"Ref": blue}
    moved = attached["AdvancedConfiguration"]
    assert moved["AlternateTargetGroupArn"] == {"Ref": green}
    assert moved["ProductionListenerRule"] == {"Ref": rule}


def test_the_rule_that_ecs_rewrites_is_the_one_that_it_has_always_been(by_way):
    """Whoever changes it sends everybody to blue at the next deployment, whatever runs there: see decision 0052."""
    template = by_way["blue-green"]
    (logical_id, rule) = named(template, "ElasticLoadBalancingV2::ListenerRule", "Everything")
    rule["Properties"].pop("Tags", None)
    assert logical_id == "EverythingC61DDD32"
    assert rule["Properties"] == {
        "Actions": [
            {
                "Type": "forward",
                "ForwardConfig": {
                    "TargetGroups": [
                        {"TargetGroupArn": {"Ref": "Blue10BB7880"}, "Weight": 100},
                        {"TargetGroupArn": {"Ref": "Green9DCBBC03"}, "Weight": 0},
                    ]
                },
            }
        ],
        "Conditions": [{"Field": "host-header", "HostHeaderConfig": {"Values": ["api.example.org"]}}],
        "ListenerArn": {"Ref": "BalancerHttpsAFC43DBF"},
        "Priority": 10,
    }


def test_a_failing_request_counts_whoever_answered_it_and_a_quiet_minute_does_not(by_way):
    alarm = named(by_way["blue-green"], "CloudWatch::Alarm", "ReleaseErrors")[1]["Properties"]
    metrics = {each.get("MetricStat", {}).get("Metric", {}).get("MetricName") for each in alarm["Metrics"]}
    assert {"HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count", "RequestCount"} <= metrics
    assert alarm["Metrics"][0]["Expression"].startswith("IF(requests >= 20, ")
    assert alarm["TreatMissingData"] == "notBreaching"


def test_in_blue_green_either_version_without_a_ready_task_is_seen(by_way):
    alarm = named(by_way["blue-green"], "CloudWatch::Alarm", "ReleaseUnready")[1]["Properties"]
    groups = {
        each["Value"]["Fn::GetAtt"][0]
        for metric in alarm["Metrics"]
        for each in metric.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [])
        if each["Name"] == "TargetGroup"
    }
    assert groups == {"Blue10BB7880", "Green9DCBBC03"}


def test_codedeploy_sends_a_tenth_first_and_goes_back_by_itself(by_way):
    group = one(by_way["codedeploy"], "CodeDeploy::DeploymentGroup")
    assert "CodeDeployDefault.ECSCanary10Percent5Minutes" in str(group["DeploymentConfigName"])
    assert group["AutoRollbackConfiguration"] == {
        "Enabled": True,
        "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"],
    }
    assert len(group["AlarmConfiguration"]["Alarms"]) == len(ALARMS)
    ready = group["BlueGreenDeploymentConfiguration"]["TerminateBlueInstancesOnDeploymentSuccess"]
    assert ready["TerminationWaitTimeInMinutes"] == 15


def test_codedeploy_changes_the_definition_and_so_the_template_never_does(by_way):
    service = one(by_way["codedeploy"], "ECS::Service")
    assert service["DeploymentController"] == {"Type": "CODE_DEPLOY"}
    assert service["TaskDefinition"] == "eloquent-staging-api"
    # Both would be refused there.
    assert not {"DeploymentCircuitBreaker", "Alarms"} & set(service["DeploymentConfiguration"])


def test_what_serves_is_no_definition_that_the_stack_has_put_away(by_way):
    kept = {
        way: [each.get("UpdateReplacePolicy") for each in template["Resources"].values() if "TaskDef" in each["Type"]]
        for way, template in by_way.items()
    }
    assert kept == {"rolling": [None], "blue-green": [None], "codedeploy": ["Retain"]}


def test_codedeploy_moves_the_listener_itself(by_way):
    template = by_way["codedeploy"]
    assert all_of(template, "ElasticLoadBalancingV2::ListenerRule") == []
    (action,) = one(template, "ElasticLoadBalancingV2::Listener")["DefaultActions"]
    assert action["TargetGroupArn"] == {"Ref": named(template, "ElasticLoadBalancingV2::TargetGroup", "Blue")[0]}


def test_each_environment_may_have_each_way(tmp_path):
    for way in Release:
        api = written_out(replace(DEV, release=way), tmp_path / way)["api"]
        assert len(all_of(api, "ElasticLoadBalancingV2::TargetGroup")) == (1 if way is Release.ROLLING else 2)
