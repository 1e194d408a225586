"""The load balancer inside the network, its listener, and whom it asks whether a task is ready.

CloudFront comes to it through a VPC origin, and nobody else can: it has no public address. Its rules of the network
stand in the Network stack.
"""

from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from deploy import naming
from deploy.environment import Environment, Release
from deploy.parts.task import PORT
from eloquent.foundation.timeout_chain import DEREGISTRATION_S, LOAD_BALANCER_IDLE_S

READY_PATH: Final = "/readyz"
READY_INTERVAL_S: Final = 15
READY_TIMEOUT_S: Final = 5
READY_AFTER: Final = 2
UNREADY_AFTER: Final = 10
"""So many refusals, 150 s of them, before a task counts as unhealthy: longer than a database takes to elect anew."""
CLIENT_KEEP_ALIVE_S: Final = 3600
RULE_PRIORITY: Final = 10
ALL: Final = 100


@dataclass(frozen=True, slots=True)
class Balancer:
    """What a service is attached to. `green` and `rule` are there where the way of releasing needs them."""

    itself: elb.ApplicationLoadBalancer
    listener: elb.ApplicationListener
    blue: elb.ApplicationTargetGroup
    green: elb.ApplicationTargetGroup | None
    rule: elb.ApplicationListenerRule | None


def balancer(
    scope: Construct,
    env: Environment,
    *,
    vpc: ec2.IVpc,
    subnets: ec2.SubnetSelection,
    group: ec2.ISecurityGroup,
    certificate: acm.ICertificate,
    logs_bucket: str,
) -> Balancer:
    """The load balancer of the environment, with one target group, or two where two versions stand side by side."""
    itself = elb.ApplicationLoadBalancer(
        scope,
        "Balancer",
        load_balancer_name=naming.service_name(env),
        vpc=vpc,
        vpc_subnets=subnets,
        internet_facing=False,
        security_group=group,
        idle_timeout=cdk.Duration.seconds(LOAD_BALANCER_IDLE_S),
        client_keep_alive=cdk.Duration.seconds(CLIENT_KEEP_ALIVE_S),
        drop_invalid_header_fields=True,
        desync_mitigation_mode=elb.DesyncMitigationMode.STRICTEST,
        xff_header_processing_mode=elb.XffHeaderProcessingMode.APPEND,
        preserve_host_header=True,
        deletion_protection=env.protected,
    )
    # As attributes: the bucket's policy is the Data stack's, which must not hear of this one.
    itself.set_attribute("access_logs.s3.enabled", "true")
    itself.set_attribute("access_logs.s3.bucket", logs_bucket)
    itself.set_attribute("access_logs.s3.prefix", naming.BALANCER_LOGS)
    blue = _targets(scope, "Blue", env, vpc)
    green = _targets(scope, "Green", env, vpc) if env.release is not Release.ROLLING else None
    # CodeDeploy moves what the listener itself does; ECS moves a rule, or nothing.
    moves_listener = env.release is Release.CODEDEPLOY
    nobody = elb.ListenerAction.fixed_response(421, content_type="text/plain", message_body="No such host here.")
    listener = itself.add_listener(
        "Https",
        port=443,
        protocol=elb.ApplicationProtocol.HTTPS,
        certificates=[certificate],
        ssl_policy=elb.SslPolicy.TLS13_RES,
        open=False,
        default_action=elb.ListenerAction.forward([blue]) if moves_listener else nobody,
    )
    rule = None if moves_listener else _rule(scope, env, listener, blue, green)
    return Balancer(itself, listener, blue, green, rule)


def _targets(scope: Construct, name: str, env: Environment, vpc: ec2.IVpc) -> elb.ApplicationTargetGroup:
    return elb.ApplicationTargetGroup(
        scope,
        name,
        target_group_name=naming.service_name(env, name.lower()),
        vpc=vpc,
        port=PORT,
        # With a certificate that the task has made itself: a load balancer checks none, and nobody reads along.
        protocol=elb.ApplicationProtocol.HTTPS,
        protocol_version=elb.ApplicationProtocolVersion.HTTP1,
        target_type=elb.TargetType.IP,
        # Answers are long and unlike: whoever has the fewest under way gets the next.
        load_balancing_algorithm_type=elb.TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
        deregistration_delay=cdk.Duration.seconds(DEREGISTRATION_S),
        health_check=elb.HealthCheck(
            path=READY_PATH,
            protocol=elb.Protocol.HTTPS,
            healthy_http_codes="200",
            interval=cdk.Duration.seconds(READY_INTERVAL_S),
            timeout=cdk.Duration.seconds(READY_TIMEOUT_S),
            healthy_threshold_count=READY_AFTER,
            unhealthy_threshold_count=UNREADY_AFTER,
        ),
    )


def _rule(
    scope: Construct,
    env: Environment,
    listener: elb.ApplicationListener,
    blue: elb.ApplicationTargetGroup,
    green: elb.ApplicationTargetGroup | None,
) -> elb.ApplicationListenerRule:
    """The rule that ECS rewrites at each release where there are two groups.

    CloudFormation knows nothing of that: whoever changes a line of this rule sends everybody back to blue, whatever
    runs there. `tests/test_release.py` holds each of its lines. https://github.com/aws/aws-cdk/issues/36649
    """
    both = [elb.WeightedTargetGroup(target_group=blue, weight=ALL)]
    if green is not None:
        both.append(elb.WeightedTargetGroup(target_group=green, weight=0))
    return elb.ApplicationListenerRule(
        scope,
        "Everything",
        listener=listener,
        priority=RULE_PRIORITY,
        conditions=[elb.ListenerCondition.host_headers([env.domain])],
        action=elb.ListenerAction.forward([blue]) if green is None else elb.ListenerAction.weighted_forward(both),
    )
