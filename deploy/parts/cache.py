"""Valkey: journals of running answers, the channel layer, leases and counters.

Losing an entry to make room would lose words of an answer that is being read: nothing is evicted, and a full cache is
an error that is seen. It is reached over TLS with a password of its own.
"""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_kms as kms
from constructs import Construct

from deploy import naming
from deploy.environment import Environment
from deploy.parts.endpoints import PRIVATE
from deploy.parts.secrets import made_up, reference
from deploy.parts.security_groups import CACHE_PORT

_ENGINE_VERSION: Final = "8.0"
_FAMILY: Final = "valkey8"
_SNAPSHOTS_KEPT: Final = 7
_QUIET_HOURS: Final = {"snapshot": "02:00-03:00", "maintenance": "sun:03:30-sun:04:30"}


def cache(scope: Construct, env: Environment, *, vpc: ec2.IVpc, group: ec2.ISecurityGroup, key: kms.Key) -> str:
    """Make it; its address as `REDIS_URL` has it, the password a reference."""
    name = naming.service_name(env, "cache")
    # Not below the application's path: no setting has this name.
    password = made_up(scope, "cache-password", path=f"{name}-password", what="The cache's password", key=key, env=env)
    subnets = elasticache.CfnSubnetGroup(
        scope,
        "cache-subnets",
        description="Private subnets",
        subnet_ids=vpc.select_subnets(subnet_group_name=PRIVATE).subnet_ids,
    )
    parameters = elasticache.CfnParameterGroup(
        scope,
        "cache-parameters",
        cache_parameter_group_family=_FAMILY,
        description="Nothing is evicted",
        properties={"maxmemory-policy": "noeviction"},
    )
    has_replicas = env.cache_replicas > 0
    resource = elasticache.CfnReplicationGroup(
        scope,
        "cache",
        replication_group_id=name,
        replication_group_description=f"Valkey of {env.name}",
        engine="valkey",
        engine_version=_ENGINE_VERSION,
        cache_node_type=env.cache_node,
        cache_parameter_group_name=parameters.ref,
        cache_subnet_group_name=subnets.ref,
        security_group_ids=[group.security_group_id],
        port=CACHE_PORT,
        num_cache_clusters=1 + env.cache_replicas,
        automatic_failover_enabled=has_replicas,
        multi_az_enabled=has_replicas,
        transit_encryption_enabled=True,
        at_rest_encryption_enabled=True,
        kms_key_id=key.key_arn,
        auth_token=reference(password),
        auto_minor_version_upgrade=True,
        preferred_maintenance_window=_QUIET_HOURS["maintenance"],
        snapshot_retention_limit=_SNAPSHOTS_KEPT if env.protected else 0,
        snapshot_window=_QUIET_HOURS["snapshot"] if env.protected else None,
    )
    # A last snapshot rather than nodes that go on costing.
    resource.apply_removal_policy(cdk.RemovalPolicy.SNAPSHOT if env.protected else cdk.RemovalPolicy.DESTROY)
    address = f"{resource.attr_primary_end_point_address}:{resource.attr_primary_end_point_port}"
    return cdk.Fn.join("", ["rediss://:", reference(password), f"@{address}/0"])
