"""Who waits how long for whom: the templates say what `timeout_chain` says."""

import pytest
import yaml

from deploy.environments import ENVIRONMENTS, PROD
from deploy.parts import balancer, release, sidecar
from deploy.tests.templates_of import all_of, container, one
from eloquent.foundation import timeout_chain as chain

NAMES = tuple(ENVIRONMENTS)
MOST_ON_FARGATE_S = 120


def attributes(resource, key):
    return {each["Key"]: each["Value"] for each in resource[key]}


@pytest.mark.parametrize("name", NAMES)
def test_the_load_balancer_gives_up_a_silent_connection_when_the_chain_says(templates, name):
    found = attributes(one(templates[name]["api"], "ElasticLoadBalancingV2::LoadBalancer"), "LoadBalancerAttributes")
    assert found["idle_timeout.timeout_seconds"] == str(chain.LOAD_BALANCER_IDLE_S)


@pytest.mark.parametrize("name", NAMES)
def test_cloudfront_waits_as_the_chain_says_and_for_a_whole_answer_without_end(templates, name):
    (origin,) = one(templates[name]["edge"], "CloudFront::Distribution")["DistributionConfig"]["Origins"]
    waits = origin["VpcOriginConfig"]
    assert waits["OriginReadTimeout"] == chain.CDN_READ_S
    assert waits["OriginKeepaliveTimeout"] == chain.CDN_KEEP_ALIVE_S
    assert "ResponseCompletionTimeout" not in origin


@pytest.mark.parametrize("name", NAMES)
def test_the_server_keeps_connections_longer_than_the_load_balancer(templates, name):
    command = container(templates[name]["api"], "api")["Command"]
    assert command[-2:] == ["--keep-alive", str(chain.SERVER_KEEP_ALIVE_S)]
    assert chain.SERVER_KEEP_ALIVE_S > chain.LOAD_BALANCER_IDLE_S


@pytest.mark.parametrize("name", NAMES)
def test_a_task_that_leaves_has_the_time_to_finish_its_answers(templates, name):
    api = templates[name]["api"]
    stop = container(api, "api")["StopTimeout"]
    assert stop == chain.STOP_TIMEOUT_S <= MOST_ON_FARGATE_S
    assert stop > chain.LEAVING_S
    for group in all_of(api, "ElasticLoadBalancingV2::TargetGroup"):
        delay = attributes(group, "TargetGroupAttributes")["deregistration_delay.timeout_seconds"]
        assert int(delay) == chain.DEREGISTRATION_S > stop


@pytest.mark.parametrize("name", NAMES)
def test_the_collector_is_there_before_the_application_and_after_it(templates, name):
    api = templates[name]["api"]
    # ECS stops what depends on another before that other one.
    assert container(api, "api")["DependsOn"] == [{"Condition": "START", "ContainerName": "collector"}]
    collector = container(api, "collector")
    assert "DependsOn" not in collector
    held_back = yaml.safe_load(collector["Environment"][0]["Value"])["processors"]["batch"]["timeout"]
    assert collector["StopTimeout"] == sidecar.STOP_TIMEOUT_S > 2 * int(held_back.removesuffix("s"))


@pytest.mark.parametrize("name", NAMES)
def test_a_task_may_be_unready_for_longer_than_an_election_takes(templates, name):
    for group in all_of(templates[name]["api"], "ElasticLoadBalancingV2::TargetGroup"):
        patience = group["HealthCheckIntervalSeconds"] * group["UnhealthyThresholdCount"]
        assert patience == balancer.READY_INTERVAL_S * balancer.UNREADY_AFTER
        assert patience >= 120
        # `/readyz` itself gives each of its questions two seconds.
        assert 2 < group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"]


@pytest.mark.parametrize("name", NAMES)
def test_a_new_task_has_the_time_to_become_ready(templates, name):
    api = templates[name]["api"]
    (group, *_) = all_of(api, "ElasticLoadBalancingV2::TargetGroup")
    asked_twice = group["HealthCheckIntervalSeconds"] * group["HealthyThresholdCount"]
    start = container(api, "api")["HealthCheck"]["StartPeriod"]
    assert one(api, "ECS::Service")["HealthCheckGracePeriodSeconds"] == release.GRACE_S >= start + asked_twice


def test_the_old_version_stays_for_longer_than_answers_may_last(templates):
    bake_min = one(templates[PROD.name]["api"], "ECS::Service")["DeploymentConfiguration"]["BakeTimeInMinutes"]
    assert bake_min * 60 > chain.DEREGISTRATION_S
