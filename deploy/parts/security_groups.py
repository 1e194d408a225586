"""Who may reach whom: every security group and every rule of an environment, in one place.

They all lie in the Network stack, and each rule is a resource of its own. A stack that uses a group must not add to it
(`SecurityGroup.from_security_group_id(..., mutable=False)`): a rule of another stack's ties the two together, and is in
no picture. What comes out of it all is computed from the templates by `deploy/reachability.py`, and compared with the
table in `deploy/README.md`.

No rule names a port or an address that nobody needs; 0.0.0.0/0 is a way out alone, and only where vendors are.
"""

from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from deploy import naming
from deploy.environment import Answering, AtlasRoad, Environment

HTTPS: Final = 443
API_PORT: Final = 8000
CACHE_PORT: Final = 6379
MONGODB_PORT: Final = 27017

ATLAS_PORTS: Final = (1024, 65535)
"""Atlas gives each member behind its private endpoint a port of its own out of these.

https://www.mongodb.com/docs/atlas/security-cluster-private-endpoint/
"""


@dataclass(frozen=True, slots=True)
class SecurityGroups:
    """The groups of an environment. None: the environment has nothing that would be in it."""

    balancer: ec2.SecurityGroup
    api: ec2.SecurityGroup
    cache: ec2.SecurityGroup
    model: ec2.SecurityGroup | None
    """Hosts that run Ollama."""
    endpoints: ec2.SecurityGroup | None
    """AWS's own services inside the network."""
    atlas: ec2.SecurityGroup | None
    """MongoDB Atlas's private endpoint."""


def security_groups(scope: Construct, vpc: ec2.IVpc, env: Environment) -> SecurityGroups:
    """Make the environment's groups and all their rules."""

    def group(name: str, what: str) -> ec2.SecurityGroup:
        made = ec2.SecurityGroup(
            scope, name, vpc=vpc, description=what, allow_all_outbound=False, disable_inline_rules=True
        )
        # A tag: a group with a name of its own could never be replaced.
        cdk.Tags.of(made).add("Name", naming.service_name(env, name))
        return made

    groups = SecurityGroups(
        balancer=group("balancer", "The load balancer, reached by CloudFront alone"),
        api=group("api", "Tasks of the application"),
        cache=group("cache", "Valkey"),
        model=group("model", "Hosts that run Ollama") if Answering.OLLAMA in env.answering else None,
        endpoints=group("endpoints", "AWS services inside the network") if env.private_endpoints else None,
        atlas=group("atlas", "The private endpoint of MongoDB Atlas") if env.atlas is AtlasRoad.PRIVATELINK else None,
    )
    # The list weighs 55 of the 60 rules that a group may have: there is room for one port.
    groups.balancer.add_ingress_rule(
        ec2.Peer.prefix_list(env.cloudfront_prefix_list), ec2.Port.tcp(HTTPS), "CloudFront"
    )
    _between(groups.balancer, groups.api, API_PORT, "The load balancer asks the application")
    _between(groups.api, groups.cache, CACHE_PORT, "The application uses the cache")
    if groups.model is not None:
        _between(groups.api, groups.model, naming.OLLAMA_PORT, "The application asks Ollama")
        _ways_to_aws(groups.model, groups, env)
    _ways_to_aws(groups.api, groups, env)
    if env.needs_internet and env.private_endpoints:
        _to_internet(groups.api, " and ".join(env.needs_internet))
    _way_to_atlas(groups, env)
    return groups


def _between(source: ec2.SecurityGroup, target: ec2.SecurityGroup, port: int, why: str) -> None:
    """Let one reach a port of the other: out of the one, and into the other."""
    source.add_egress_rule(target, ec2.Port.tcp(port), why)
    target.add_ingress_rule(source, ec2.Port.tcp(port), why)


def _to_internet(source: ec2.SecurityGroup, whom: str) -> None:
    source.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), f"Out to {whom}")


def _ways_to_aws(source: ec2.SecurityGroup, groups: SecurityGroups, env: Environment) -> None:
    """S3 by its own road; the others at their endpoints inside, or, where there are none, outside."""
    s3 = ec2.Peer.prefix_list(env.s3_prefix_list)
    source.add_egress_rule(s3, ec2.Port.tcp(HTTPS), "S3, images of our registry among it")
    if groups.endpoints is not None:
        _between(source, groups.endpoints, HTTPS, "AWS services inside the network")
    else:
        _to_internet(source, " and ".join(["AWS services", *(env.needs_internet if source is groups.api else ())]))


def _way_to_atlas(groups: SecurityGroups, env: Environment) -> None:
    why = "The application uses MongoDB Atlas"
    if groups.atlas is not None:
        ports = ec2.Port.tcp_range(*ATLAS_PORTS)
        groups.api.add_egress_rule(groups.atlas, ports, why)
        groups.atlas.add_ingress_rule(groups.api, ports, why)
    else:
        groups.api.add_egress_rule(ec2.Peer.ipv4(env.atlas_network), ec2.Port.tcp(MONGODB_PORT), why)
