"""The network: subnets without public addresses, who may reach whom, roads to AWS and to Atlas, the cluster's place.

Everything of ours lies in private subnets. Public ones exist for NAT gateways alone, and only where there are any.
CloudFront comes in through its VPC origin: for that an internet gateway is attached, with no route that leads to it.

Private subnets come first and are large, so that a way out can be added later and nobody moves. With one they have
the same names and addresses as without.
"""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_servicediscovery as servicediscovery
from constructs import Construct

from deploy import naming
from deploy.environment import AtlasRoad, Environment
from deploy.parts.endpoints import PRIVATE, interface_endpoints, s3_policy
from deploy.parts.retention import days
from deploy.parts.security_groups import security_groups

_PRIVATE_PREFIX = 20
_PUBLIC_PREFIX = 26
_MOST_ZONES = 3


class NetworkStack(cdk.Stack):
    """`vpc`, `groups` (who may reach whom), `namespace` (private names) and `cluster`, without capacity of its own."""

    def __init__(self, scope: Construct, name: str, *, settings: Environment, env: cdk.Environment) -> None:
        super().__init__(scope, name, env=env, termination_protection=settings.protected)
        self.vpc = self._vpc(settings)
        self.groups = security_groups(self, self.vpc, settings)
        interface_endpoints(self, self.vpc, self.groups, settings)
        # Atlas asks for it, and who empties the default group.
        cdk.CfnOutput(self, "NetworkId", value=self.vpc.vpc_id)
        self._way_to_s3(settings)
        if settings.atlas is AtlasRoad.PEERING:
            self._way_to_peer(settings)
        self._flow_logs(settings)
        self.namespace = servicediscovery.PrivateDnsNamespace(
            self, "namespace", name=naming.private_domain(settings), vpc=self.vpc
        )
        self.cluster = ecs.Cluster(
            self,
            "cluster",
            vpc=self.vpc,
            cluster_name=naming.cluster_name(settings),
            container_insights_v2=ecs.ContainerInsights.ENHANCED,
        )

    def _vpc(self, env: Environment) -> ec2.Vpc:
        kind = ec2.SubnetType.PRIVATE_WITH_EGRESS if env.nat_gateways else ec2.SubnetType.PRIVATE_ISOLATED
        private = ec2.SubnetConfiguration(name=PRIVATE, subnet_type=kind, cidr_mask=_PRIVATE_PREFIX)
        ways_out = ec2.SubnetConfiguration(
            name="ways-out",
            subnet_type=ec2.SubnetType.PUBLIC,
            cidr_mask=_PUBLIC_PREFIX,
            map_public_ip_on_launch=False,
        )
        vpc = ec2.Vpc(
            self,
            "vpc",
            vpc_name=naming.stack_name(env, "network"),
            ip_addresses=ec2.IpAddresses.cidr(env.network),
            availability_zones=list(env.zones),
            reserved_azs=_MOST_ZONES - len(env.zones),
            nat_gateways=env.nat_gateways,
            subnet_configuration=[private, ways_out] if env.nat_gateways else [private],
            # CDK would empty it with a Lambda function that may change any group. Nobody is in it, which is tested;
            # `deploy/README.md` has the command that empties it once.
            restrict_default_security_group=False,
        )
        if not env.nat_gateways:
            gateway = ec2.CfnInternetGateway(self, "internet-gateway")
            ec2.CfnVPCGatewayAttachment(
                self, "internet-gateway-attachment", vpc_id=vpc.vpc_id, internet_gateway_id=gateway.ref
            )
        return vpc

    def _way_to_s3(self, env: Environment) -> None:
        road = self.vpc.add_gateway_endpoint(
            "s3",
            service=ec2.GatewayVpcEndpointAwsService.S3,
            subnets=[ec2.SubnetSelection(subnet_group_name=PRIVATE)],
        )
        for statement in s3_policy(env):
            road.add_to_policy(statement)

    def _way_to_peer(self, env: Environment) -> None:
        """Routes to Atlas's network. Atlas asks for the peering, an owner accepts it here and lets us in there.

        A cluster's ordinary name leads to its private addresses as soon as it is asked for over the peering.
        """
        if not env.atlas_peering_id:
            return
        for number, subnet in enumerate(self.vpc.select_subnets(subnet_group_name=PRIVATE).subnets, start=1):
            ec2.CfnRoute(
                self,
                f"atlas-route-{number}",
                route_table_id=subnet.route_table.route_table_id,
                destination_cidr_block=env.atlas_network,
                vpc_peering_connection_id=env.atlas_peering_id,
            )

    def _flow_logs(self, env: Environment) -> None:
        """Who spoke with whom, and who was refused: addresses and counts, no contents."""
        group = logs.LogGroup(
            self,
            "flow-log-group",
            log_group_name=naming.log_group(env, "flows"),
            retention=days(env),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        # Only for flow logs of this account: the service must not be talked into using the role for another's.
        flows = f"arn:aws:ec2:{env.region}:{env.account}:vpc-flow-log/*"
        conditions = {"StringEquals": {"aws:SourceAccount": env.account}, "ArnLike": {"aws:SourceArn": flows}}
        principal = iam.ServicePrincipal("vpc-flow-logs.amazonaws.com", conditions=conditions)
        role = iam.Role(self, "flow-log-role", assumed_by=principal)
        self.vpc.add_flow_log(
            "flow-log",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role),
            traffic_type=ec2.FlowLogTrafficType.ALL,
            max_aggregation_interval=ec2.FlowLogMaxAggregationInterval.TEN_MINUTES,
        )
