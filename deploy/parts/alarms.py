"""Alarms as resources, and the topics on which they tell.

Two topics an environment, so that a pager is subscribed to the one and people to both. Each is encrypted with a key of
its own: CloudWatch may use it, and can use none of AWS's own keys.
"""

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from deploy import naming
from deploy.environment import Environment
from deploy.parts import retention
from deploy.watch.shape import MINUTE, RUNBOOK, Alarm, Alarms, Composite, Series, Severity, queries, told

Topics = Mapping[Severity, sns.Topic]

_TELLER = "cloudwatch.amazonaws.com"


def topics(scope: Construct, env: Environment, alarms: Alarms, *, where: str = "") -> Topics:
    """A topic for each severity that the alarms have, with the environment's address subscribed.

    Args:
        scope: in which they are made.
        env: whose.
        alarms: which ones tell on them.
        where: a word in front of their names, where another stack in the same region may have its own.
    """
    key = kms.Key(
        scope,
        "AlarmKey",
        description=f"What alarms of {env.name} say, until it is sent",
        enable_key_rotation=True,
        removal_policy=retention.of_data(env),
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(_TELLER)],
            actions=["kms:Decrypt", "kms:GenerateDataKey*"],
            resources=["*"],
            conditions=_of_this_account(env),
        )
    )
    every: tuple[Alarm | Composite, ...] = (*alarms.single, *alarms.composite)
    severities = sorted({told(env, alarm.severity) for alarm in every} - {Severity.PART})
    return {
        severity: _topic(scope, env, severity, key, name=naming.service_name(env, f"{where}{severity}"))
        for severity in severities
    }


def _of_this_account(env: Environment) -> dict[str, Any]:
    return {"StringEquals": {"aws:SourceAccount": env.account}}


def _topic(scope: Construct, env: Environment, severity: Severity, key: kms.Key, *, name: str) -> sns.Topic:
    topic = sns.Topic(
        scope,
        severity.title(),
        topic_name=name,
        display_name=f"Eloquent {env.name}: {severity}",
        master_key=key,
        enforce_ssl=True,
    )
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(_TELLER)],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions=_of_this_account(env),
        )
    )
    # Whoever has the address must say yes to a letter once: until then nobody is told of anything.
    sns.Subscription(
        scope,
        f"{severity.title()}Letters",
        topic=topic,
        protocol=sns.SubscriptionProtocol.EMAIL,
        endpoint=env.alarm_email,
    )
    return topic


def metric_of(series: Series, *, period_s: int = MINUTE) -> cloudwatch.Metric:
    """A series as CDK takes it, for what is no alarm of `Alarms`: one that scales, or takes a release back."""
    return cloudwatch.Metric(
        namespace=series.namespace,
        metric_name=series.name,
        dimensions_map=dict(series.dimensions),
        statistic=series.statistic,
        period=cdk.Duration.seconds(period_s),
    )


def make_alarms(scope: Construct, env: Environment, alarms: Alarms, topics: Topics) -> None:
    """All of them. Each tells when it is raised and when it is over."""
    made = {alarm.what: _single(scope, env, alarm, topics) for alarm in alarms.single}
    for composite in alarms.composite:
        resource = cloudwatch.CfnCompositeAlarm(
            scope,
            _logical(composite.what),
            alarm_name=naming.alarm_name(env, composite.what),
            alarm_rule=" AND ".join(f'ALARM("{naming.alarm_name(env, part)}")' for part in composite.parts),
            **_said(env, composite, topics),
        )
        for part in composite.parts:
            resource.add_resource_dependency(made[part])


def _single(scope: Construct, env: Environment, alarm: Alarm, topics: Topics) -> cloudwatch.CfnAlarm:
    expression = alarm.expression or next(iter(alarm.watched))
    return cloudwatch.CfnAlarm(
        scope,
        _logical(alarm.what),
        alarm_name=naming.alarm_name(env, alarm.what),
        metrics=queries(alarm.watched, expression, alarm.period_s),
        threshold=alarm.limit,
        comparison_operator="LessThanThreshold" if alarm.above is None else "GreaterThanThreshold",
        evaluation_periods=alarm.of or alarm.periods,
        datapoints_to_alarm=alarm.periods,
        treat_missing_data=alarm.missing.value,
        **_said(env, alarm, topics),
    )


def _said(env: Environment, alarm: Alarm | Composite, topics: Topics) -> dict[str, Any]:
    severity = told(env, alarm.severity)
    arns = [] if severity is Severity.PART else [topics[severity].topic_arn]
    return {
        "alarm_description": f"[{severity}] {alarm.meaning} What to do: {RUNBOOK}#{alarm.section}",
        "alarm_actions": arns,
        "ok_actions": arns,
        "tags": [cdk.CfnTag(key="severity", value=severity.value)],
    }


def _logical(what: str) -> str:
    return what.title().replace("-", "")
