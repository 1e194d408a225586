"""Alarms and the dashboard: each looks at something that somebody measures, and each is explained to who is told."""

import re

import pytest

from deploy import naming
from deploy.environment import Watch
from deploy.environments import ENVIRONMENTS, PROD
from deploy.tests.templates_of import all_of, one
from deploy.tests.watched import ALARM, COMPOSITE, PLACE, alarms_of, drawn, headings, looked_at, widgets_of
from deploy.watch.platform import platform_alarms
from deploy.watch.queries import SAVED
from deploy.watch.series import COLLECTOR_ERRORS, FIREWALL_METRIC, LOGGED_ERRORS, Balancer, log_namespace
from deploy.watch.shape import DAY, HOUR
from eloquent.foundation.telemetry import metric_names as own

NAMES = list(ENVIRONMENTS)
BY_STACK = ("observability", "edge-alarms")

_GROUP = frozenset({"TargetGroup", "LoadBalancer"})
_SERVICE = frozenset({"ClusterName", "ServiceName"})
_NODE = frozenset({"CacheClusterId"})
_HOSTS = frozenset({"AutoScalingGroupName"})
_BALANCER = frozenset({"LoadBalancer"})
_EDGE = frozenset({"DistributionId", "Region"})

# Reviewed: AWS measures these, with these dimensions. Each with the page that says so.
OF_AWS = {
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
    ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count"): {_BALANCER},
    ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count"): {_BALANCER},
    ("AWS/ApplicationELB", "RequestCount"): {_BALANCER},
    ("AWS/ApplicationELB", "NewConnectionCount"): {_BALANCER},
    ("AWS/ApplicationELB", "RejectedConnectionCount"): {_BALANCER},
    ("AWS/ApplicationELB", "HealthyHostCount"): {_GROUP},
    ("AWS/ApplicationELB", "UnHealthyHostCount"): {_GROUP},
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html
    ("AWS/ECS", "CPUUtilization"): {_SERVICE},
    ("AWS/ECS", "MemoryUtilization"): {_SERVICE},
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-metrics-ECS.html
    ("ECS/ContainerInsights", "RunningTaskCount"): {_SERVICE},
    ("ECS/ContainerInsights", "DesiredTaskCount"): {_SERVICE},
    # https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheMetrics.Redis.html
    ("AWS/ElastiCache", "EngineCPUUtilization"): {_NODE},
    ("AWS/ElastiCache", "DatabaseMemoryUsagePercentage"): {_NODE},
    ("AWS/ElastiCache", "Evictions"): {_NODE},
    ("AWS/ElastiCache", "CurrConnections"): {_NODE},
    ("AWS/ElastiCache", "ReplicationLag"): {_NODE},
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/viewing_metrics_with_cloudwatch.html
    ("AWS/EC2", "StatusCheckFailed"): {_HOSTS},
    # https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html
    ("AWS/AutoScaling", "GroupInServiceInstances"): {_HOSTS},
    # https://docs.aws.amazon.com/acm/latest/userguide/cloudwatch-metrics.html
    ("AWS/CertificateManager", "DaysToExpiry"): {frozenset({"CertificateArn"})},
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/programming-cloudwatch-metrics.html
    ("AWS/CloudFront", "5xxErrorRate"): {_EDGE},
    # https://docs.aws.amazon.com/waf/latest/developerguide/waf-metrics.html
    ("AWS/WAFV2", "BlockedRequests"): {frozenset({"WebACL", "Rule"})},
}


def in_words(names):
    return {name.removeprefix("eloquent-").partition("-")[2] for name in names}


def everything_looked_at(stacks):
    for alarm in alarms_of(stacks, ALARM).values():
        yield from looked_at(alarm)
    for widget in widgets_of(stacks["observability"]):
        yield from drawn(widget)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_looked_at_is_measured_by_somebody(templates, name):
    written = {metric.name: frozenset(metric.dimensions) for metric in own.METRICS}
    counted = {
        each["MetricTransformations"][0]["MetricName"]
        for each in all_of(templates[name]["observability"], "Logs::MetricFilter")
    }
    for looked in everything_looked_at(templates[name]):
        if looked.namespace == own.NAMESPACE:
            assert written[looked.name] == looked.keys
            assert dict(looked.dimensions)[own.ENVIRONMENT] == name
            assert dict(looked.dimensions)[own.SERVICE] == naming.SERVICE
        elif looked.namespace == log_namespace(ENVIRONMENTS[name]):
            assert looked.name in counted
            assert not looked.keys
        else:
            assert looked.keys in OF_AWS[looked.namespace, looked.name]


def test_every_reviewed_metric_is_looked_at(templates):
    looked = {(each.namespace, each.name) for name in NAMES for each in everything_looked_at(templates[name])}
    assert set(OF_AWS) - looked == set()


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_every_metric_with_a_target_has_an_alarm_at_that_target(templates, name):
    alarms = [alarm for alarm in alarms_of(templates[name], ALARM).values() if "Metrics" in alarm]
    limits = {
        (looked.name, looked.statistic, alarm["Threshold"])
        for alarm in alarms
        for looked in looked_at(alarm)
        if looked.namespace == own.NAMESPACE
    }
    targets = {(metric.name, "p95", metric.target) for metric in own.METRICS if metric.target is not None}
    assert targets
    assert targets <= limits


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_of_the_application_is_on_the_dashboard(templates, name):
    shown = {each.name for widget in widgets_of(templates[name]["observability"]) for each in drawn(widget)}
    assert {metric.name for metric in own.METRICS} <= shown


@pytest.mark.parametrize("name", NAMES)
def test_what_is_measured_by_name_is_called_so_in_its_own_stack(templates, name):
    stacks, env = templates[name], ENVIRONMENTS[name]
    looked = {value for each in everything_looked_at(stacks) for _, value in each.dimensions}
    cache = one(stacks["data"], "ElastiCache::ReplicationGroup")
    nodes = {f"{cache['ReplicationGroupId']}-{number:03}" for number in range(1, cache["NumCacheClusters"] + 1)}
    assert nodes == {value for value in looked if value.startswith(cache["ReplicationGroupId"])}
    assert one(stacks["api"], "ECS::Service")["ServiceName"] in looked
    assert one(stacks["network"], "ECS::Cluster")["ClusterName"] in looked
    if "model" in stacks:
        model = stacks["model"]
        called = {
            one(model, "ECS::Service")["ServiceName"],
            one(model, "ECS::Cluster")["ClusterName"],
            one(model, "AutoScaling::AutoScalingGroup")["AutoScalingGroupName"],
        }
        assert called == {naming.service_name(env, "model")}
        assert called <= looked
    if "edge-alarms" in stacks:
        assert one(stacks["edge"], "WAFv2::WebACL")["VisibilityConfig"]["MetricName"] == FIREWALL_METRIC
        assert FIREWALL_METRIC in looked


@pytest.mark.parametrize("name", NAMES)
def test_task_counts_are_measured_because_insights_are_switched_on(templates, name):
    for stack in ("network", "model"):
        for cluster in all_of(templates[name].get(stack, {"Resources": {}}), "ECS::Cluster"):
            assert {"Name": "containerInsights", "Value": "disabled"} not in cluster["ClusterSettings"]
            assert cluster["ClusterSettings"]


def test_every_alarm_is_in_the_runbook_and_nothing_else_is(templates):
    sections = set()
    for name in NAMES:
        for alarm, properties in alarms_of(templates[name]).items():
            section = re.search(r"deploy/runbook\.md#(\S+)$", properties["AlarmDescription"])
            what = alarm.removeprefix(naming.alarm_name(ENVIRONMENTS[name], ""))
            sections.add(section[1] if section else what)
    assert sections == set(headings())
    assert len(headings()) == len(set(headings()))


@pytest.mark.parametrize("name", NAMES)
def test_whoever_is_told_is_told_what_it_means_and_where_to_read_on(templates, name):
    for stack in BY_STACK:
        for alarm, properties in alarms_of({stack: templates[name].get(stack, {"Resources": {}})}).items():
            described = re.fullmatch(
                r"\[(page|notify|part)\] ([A-Z].+\.) What to do: deploy/runbook\.md#(\S+)",
                properties["AlarmDescription"],
            )
            assert described, alarm
            tags = {tag["Key"]: tag["Value"] for tag in properties["Tags"]}
            assert tags["severity"] == described[1]
            assert properties["AlarmActions"] == properties["OKActions"]
            assert len(properties["AlarmActions"]) == (0 if described[1] == "part" else 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_composite_alarm_has_parts_that_exist_and_every_part_is_in_one(templates, name):
    singles = alarms_of(templates[name], ALARM)
    parts = set()
    for properties in alarms_of(templates[name], COMPOSITE).values():
        named = set(re.findall(r'ALARM\("([^"]+)"\)', properties["AlarmRule"]))
        assert len(named) == 2
        assert named <= set(singles)
        parts |= named
    assert parts == {alarm for alarm, each in singles.items() if each["AlarmDescription"].startswith("[part]")}


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_is_one_that_cloudwatch_takes(templates, name):
    for alarm, properties in alarms_of(templates[name], ALARM).items():
        periods = {query["MetricStat"]["Period"] for query in properties.get("Metrics", []) if "MetricStat" in query}
        if not periods:
            continue
        (period,) = periods
        assert sum("MetricStat" in query for query in properties["Metrics"]) <= 10, alarm
        assert [query.get("ReturnData", True) for query in properties["Metrics"]].count(True) == 1
        assert period <= DAY
        # Seven days in all where a period is an hour or more, else one.
        assert period * properties["EvaluationPeriods"] <= (7 * DAY if period >= HOUR else DAY)
        assert 1 <= properties["DatapointsToAlarm"] <= properties["EvaluationPeriods"]
        names = {query["Id"] for query in properties["Metrics"]}
        for query in properties["Metrics"]:
            used = set(re.findall(r"\b[a-z][A-Za-z0-9]*\b", query.get("Expression", "")))
            assert used <= names, alarm


@pytest.mark.parametrize("name", NAMES)
def test_what_is_told_is_encrypted_and_goes_to_the_environments_address(templates, name):
    for stack in BY_STACK:
        if stack not in templates[name]:
            continue
        template = templates[name][stack]
        topics = all_of(template, "SNS::Topic")
        (key,) = (logical for logical, each in template["Resources"].items() if each["Type"] == "AWS::KMS::Key")
        assert {topic["KmsMasterKeyId"]["Fn::GetAtt"][0] for topic in topics} == {key}
        letters = all_of(template, "SNS::Subscription")
        assert [(each["Protocol"], each["Endpoint"]) for each in letters] == [
            ("email", ENVIRONMENTS[name].alarm_email)
        ] * len(topics)
        for policy in (
            one(template, "KMS::Key")["KeyPolicy"],
            *(each["PolicyDocument"] for each in all_of(template, "SNS::TopicPolicy")),
        ):
            (may,) = (
                each for each in policy["Statement"] if each["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
            )
            assert may["Condition"] == {"StringEquals": {"aws:SourceAccount": ENVIRONMENTS[name].account}}


def test_only_where_day_and_night_are_watched_is_anybody_woken(templates):
    woken = {
        name: {
            alarm for alarm, each in alarms_of(templates[name]).items() if each["AlarmDescription"].startswith("[page]")
        }
        for name in NAMES
    }
    day_and_night = {name for name in NAMES if ENVIRONMENTS[name].watch is Watch.DAY_AND_NIGHT}
    assert {name for name in NAMES if woken[name]} == day_and_night
    assert in_words(woken["prod"]) == {
        *("balancer-5xx", "nobody-ready", "edge-5xx"),
        *("burn-fast", "burn-slow", "answers-failing"),
        *("cache-full", "cost-runaway"),
    }


def test_little_is_watched_in_dev(templates):
    ours = {stack: template for stack, template in templates["dev"].items() if stack in BY_STACK}
    assert in_words(alarms_of(ours)) == {
        *("balancer-5xx", "target-5xx", "nobody-ready", "metrics-silent"),
        *("answers-failing", "cache-full", "cost-high", "cost-runaway"),
    }


def test_the_two_regions_topics_never_have_the_same_name(templates):
    for name in NAMES:
        named = [
            topic["TopicName"]
            for stack in BY_STACK
            for topic in all_of(templates[name].get(stack, {"Resources": {}}), "SNS::Topic")
        ]
        assert len(named) == len(set(named))


def test_nothing_depends_on_what_only_looks(platforms):
    for platform in platforms.values():
        lookers = {stack for stack in platform.stacks if stack.stack_name.endswith(BY_STACK)}
        for stack in set(platform.stacks) - lookers:
            assert not lookers & set(stack.dependencies)


@pytest.mark.parametrize("name", NAMES)
def test_the_month_has_a_budget_and_letters_at_80_and_100_percent_and_before(templates, name):
    budget = one(templates[name]["observability"], "Budgets::Budget")
    env = ENVIRONMENTS[name]
    assert budget["Budget"]["BudgetLimit"] == {"Amount": env.monthly_budget_usd, "Unit": "USD"}
    assert budget["Budget"]["TimeUnit"] == "MONTHLY"
    told = [
        (each["Notification"]["NotificationType"], each["Notification"]["Threshold"], each["Subscribers"])
        for each in budget["NotificationsWithSubscribers"]
    ]
    letter = [{"Address": env.alarm_email, "SubscriptionType": "EMAIL"}]
    assert told == [("ACTUAL", 80, letter), ("ACTUAL", 100, letter), ("FORECASTED", 100, letter)]


@pytest.mark.parametrize("name", NAMES)
def test_lines_are_counted_in_the_log_that_the_service_writes(templates, name):
    filters = all_of(templates[name]["observability"], "Logs::MetricFilter")
    groups = {each["LogGroupName"] for each in all_of(templates[name]["migration"], "Logs::LogGroup")}
    assert {each["LogGroupName"] for each in filters} == groups
    assert {each["MetricTransformations"][0]["MetricName"] for each in filters} == {COLLECTOR_ERRORS, LOGGED_ERRORS}
    queries = all_of(templates[name]["observability"], "Logs::QueryDefinition")
    assert {group for query in queries for group in query["LogGroupNames"]} == groups
    assert {query["Name"] for query in queries} == {f"eloquent/{name}/{query}" for query in SAVED}


def test_the_dashboards_pictures_are_beside_each_other_and_never_on_top(templates):
    for name in NAMES:
        places = [(each["x"], each["y"]) for each in widgets_of(templates[name]["observability"])]
        assert len(places) == len(set(places))
        assert max(x for x, _ in places) + 8 <= 24


def test_a_picture_that_computes_uses_only_what_it_draws(templates):
    for name in NAMES:
        for widget in widgets_of(templates[name]["observability"]):
            metrics = widget["properties"]["metrics"]
            ids = {each[-1]["id"] for each in metrics}
            assert len(ids) == len(metrics)
            for each in metrics:
                used = set(re.findall(r"\b[a-z][A-Za-z0-9]*\b", each[-1].get("expression", "")))
                assert used <= ids, widget["properties"]["title"]


def test_the_balancer_in_the_dashboard_is_a_reference(templates):
    looked = [each for widget in widgets_of(templates["prod"]["observability"]) for each in drawn(widget)]
    balancers = {dict(each.dimensions)["LoadBalancer"] for each in looked if each.namespace == "AWS/ApplicationELB"}
    assert balancers == {PLACE}


def test_both_groups_of_targets_are_looked_at_where_there_are_two():
    two = Balancer(full_name="app/x/1", groups=("targetgroup/blue/1", "targetgroup/green/2"))
    (ready,) = (each for each in platform_alarms(PROD, two, "arn") if each.what == "nobody-ready")
    assert [series.dimensions["TargetGroup"] for series in ready.watched.values()] == list(two.groups)
    assert ready.expression == "FILL(group0, 0) + FILL(group1, 0)"
