"""Who can reach whom, computed from the templates rather than from what we meant. Pure.

An edge counts when both ends agree, the way out of the one and the way in of the other, and, where it leaves the
network, when there is a road: a NAT gateway to the internet, an endpoint to S3, a peering to Atlas. Addresses that
contain or touch the network stand for everybody in it. Rules are found in every stack, whoever wrote them.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from deploy import naming
from deploy.templates import Place, Properties, Templates, Unresolvable

INTERNET: Final = "internet"
CLOUDFRONT: Final = "CloudFront"
S3: Final = "S3"
ATLAS: Final = "atlas"
"""At its private endpoint or behind the peering: the same to whoever asks it."""

_NOBODY: Final = "255.255.255.255/32"
"""CDK's way to say that there is no way out: without any rule AWS would let everything out."""
_EVERY_PORT: Final = (0, 65535)
_WHERE_GROUPS_STAND: Final = {
    "AWS::EC2::Instance": ("SecurityGroupIds",),
    "AWS::EC2::LaunchTemplate": ("LaunchTemplateData", "SecurityGroupIds"),
    "AWS::EC2::VPCEndpoint": ("SecurityGroupIds",),
    "AWS::ECS::Service": ("NetworkConfiguration", "AwsvpcConfiguration", "SecurityGroups"),
    "AWS::ElastiCache::ReplicationGroup": ("SecurityGroupIds",),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("SecurityGroups",),
    "AWS::Lambda::Function": ("VpcConfig", "SecurityGroupIds"),
}


class Edge(NamedTuple):
    """One can reach ports of the other: `443`, `1024-65535`, `udp 53`, `all`."""

    source: str
    target: str
    ports: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """Half of an edge: a group, whom it speaks with (a group, a CIDR, a prefix list), and on which ports."""

    group: Place
    peer: Place | str
    protocol: str
    ports: tuple[int, int]

    def common(self, other: "_Rule") -> str | None:
        """The ports that both name."""
        if "-1" not in (self.protocol, other.protocol) and self.protocol != other.protocol:
            return None
        low, high = max(self.ports[0], other.ports[0]), min(self.ports[1], other.ports[1])
        protocol = other.protocol if self.protocol == "-1" else self.protocol
        return _written(protocol, (low, high)) if low <= high else None


class Reachability:
    """What the templates of an environment let through."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._env = templates.env
        self._groups = {place: self._name(place, what) for place, what in templates.of_type("AWS::EC2::SecurityGroup")}
        self._out = list(self._rules("Egress", "Destination"))
        self._in = list(self._rules("Ingress", "Source"))

    def edges(self) -> frozenset[Edge]:
        """Everybody who can reach somebody."""
        return frozenset([*self._inside(), *self._inwards(), *self._outwards()])

    def idle_rules(self) -> list[str]:
        """Rules that let nobody through: half of a pair, or a way out without a road."""
        used = {rule for pair in self._pairs() for rule in pair[:2]}
        used |= {rule for rule in self._in if self._outside(rule.peer) is not None}
        used |= {rule for rule in self._out if self._outside(rule.peer) in self._roads()}
        return sorted(
            f"{self._groups[rule.group]} {way} {self._peer_name(rule.peer)} {_written(rule.protocol, rule.ports)}"
            for way, rules in (("to", self._out), ("from", self._in))
            for rule in rules
            if rule not in used
        )

    def members(self) -> Mapping[str, frozenset[str]]:
        """Who has an address in the network, and the groups it is in; without any it is in the default one."""
        return {
            str(place): frozenset(self._peer_name(self._templates.target(place.stack, value)) for value in groups)
            for kind, path in _WHERE_GROUPS_STAND.items()
            for place, what in self._templates.of_type(kind)
            if (groups := _groups_at(what, path)) is not None
        }

    def _name(self, place: Place, what: Properties) -> str:
        tags = {tag["Key"]: tag["Value"] for tag in what.get("Tags", ())}
        return str(tags.get("Name", str(place))).removeprefix(naming.service_name(self._env, ""))

    def _peer_name(self, peer: Place | str) -> str:
        return self._groups[peer] if isinstance(peer, Place) else peer

    def _rules(self, way: str, end: str) -> Iterator[_Rule]:
        """All rules of one direction: those that are resources of their own, and those inside a group."""
        for place, what in self._templates.of_type(f"AWS::EC2::SecurityGroup{way}"):
            group = self._templates.target(place.stack, what["GroupId"])
            if not isinstance(group, Place):
                raise Unresolvable(f"{place} is a rule of {group}, which is no group of ours")
            yield from self._rule(group, place.stack, what, end)
        for place, what in self._templates.of_type("AWS::EC2::SecurityGroup"):
            inside = what.get(f"SecurityGroup{way}", ())
            for rule in inside:
                yield from self._rule(place, place.stack, rule, end)
            if way == "Egress" and not inside and not self._has_rules_out(place):
                yield _Rule(place, "0.0.0.0/0", "-1", _EVERY_PORT)

    def _has_rules_out(self, group: Place) -> bool:
        return any(
            self._templates.target(place.stack, what["GroupId"]) == group
            for place, what in self._templates.of_type("AWS::EC2::SecurityGroupEgress")
        )

    def _rule(self, group: Place, stack: str, what: Properties, end: str) -> Iterator[_Rule]:
        peers = (what.get(name) for name in ("CidrIp", "CidrIpv6", f"{end}PrefixListId", f"{end}SecurityGroupId"))
        peer = self._templates.target(stack, next(value for value in peers if value is not None))
        if peer == _NOBODY:
            return
        protocol = str(what["IpProtocol"])
        ports = _EVERY_PORT if protocol == "-1" else (int(what["FromPort"]), int(what["ToPort"]))
        yield _Rule(group, peer, protocol, ports)

    def _inside(self) -> Iterator[Edge]:
        for out, into, ports in self._pairs():
            yield Edge(self._groups[out.group], self._groups[into.group], ports)

    def _pairs(self) -> Iterator[tuple[_Rule, _Rule, str]]:
        for out in self._out:
            for into in self._in:
                agree = self._covers(out.peer, into.group) and self._covers(into.peer, out.group)
                if agree and (ports := out.common(into)) is not None:
                    yield out, into, ports

    def _inwards(self) -> Iterator[Edge]:
        for rule in self._in:
            if (source := self._outside(rule.peer)) is not None:
                yield Edge(source, self._groups[rule.group], _written(rule.protocol, rule.ports))

    def _outwards(self) -> Iterator[Edge]:
        roads = self._roads()
        for rule in self._out:
            if (target := self._outside(rule.peer)) is not None and target in roads:
                yield Edge(self._groups[rule.group], target, _written(rule.protocol, rule.ports))

    def _covers(self, peer: Place | str, group: Place) -> bool:
        """Whether a rule's other end has the group in it."""
        if isinstance(peer, Place):
            return peer == group
        if peer.startswith("pl-"):
            return False
        return ipaddress.ip_network(peer).overlaps(ipaddress.ip_network(self._env.network))

    def _outside(self, peer: Place | str) -> str | None:
        """What a rule's other end is called, when it lies outside of the network."""
        if isinstance(peer, Place):
            return None
        named = {self._env.cloudfront_prefix_list: CLOUDFRONT, self._env.s3_prefix_list: S3}
        if self._env.atlas_network:
            named[self._env.atlas_network] = ATLAS
        if peer in named or peer.startswith("pl-"):
            return named.get(peer, peer)
        if ipaddress.ip_network(peer).prefixlen == 0:
            return INTERNET
        return None if self._is_inside(peer) else peer

    def _is_inside(self, peer: str) -> bool:
        own, address = ipaddress.ip_network(self._env.network), ipaddress.ip_network(peer)
        return address.prefixlen >= own.prefixlen and address.overlaps(own)

    def _roads(self) -> dict[str | None, str]:
        """What outside of the network there is a road to. Anything that has a name of its own but these needs a NAT."""
        routes = [what for _, what in self._templates.of_type("AWS::EC2::Route")]
        roads: dict[str | None, str] = {}
        if any(what.get("DestinationCidrBlock") == "0.0.0.0/0" and "NatGatewayId" in what for what in routes):
            outside = {self._outside(rule.peer) for rule in self._out} - {None, S3, ATLAS}
            roads |= dict.fromkeys(outside, "nat") | {INTERNET: "nat"}
        if any(
            what.get("VpcEndpointType") == "Gateway" for _, what in self._templates.of_type("AWS::EC2::VPCEndpoint")
        ):
            roads[S3] = "endpoint"
        if any("VpcPeeringConnectionId" in what for what in routes):
            roads[ATLAS] = "peering"
        return roads


def _groups_at(what: Properties, path: tuple[str, ...]) -> list[Any] | None:
    """The groups that stand there. None: it has no address in the network at all."""
    for name in path[:-1]:
        if name not in what:
            return None
        what = what[name]
    if what.get("VpcEndpointType") == "Gateway":
        return None
    groups: list[Any] = what.get(path[-1], [])
    return groups


def _written(protocol: str, ports: tuple[int, int]) -> str:
    if protocol == "-1":
        return "all"
    span = str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
    return span if protocol == "tcp" else f"{protocol} {span}"
