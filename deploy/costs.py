"""What each environment costs before anybody asks anything, and what each use adds.

Counted in the templates, as CloudFormation would get them, so that a row that somebody adds to a stack is one here.
It prints deploy/costs.md:

    .venv-deploy/bin/python -m deploy.costs > deploy/costs.md
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from deploy import naming, prices
from deploy.environment import Environment
from deploy.environments import ENVIRONMENTS
from deploy.factory import build, written_out
from deploy.parts.model_hosts import DISK_GIB, DISK_MIB_S
from deploy.prices import MONTH_HOURS, Price
from deploy.watch.patterns import PATTERNS
from deploy.watch.series import STATUS_CLASSES
from eloquent.foundation.telemetry import metric_names as own
from eloquent.foundation.telemetry.metric_names import Traffic

Stacks = Mapping[str, Mapping[str, Any]]

DISK_FREE_MIB_S: Final = 125
"""What a disk reads in a second without being paid for it."""

NOT_IN_IT: Final = (
    "MongoDB Atlas, Pinecone, Sentry, and what language models cost: Bedrock's tokens, and vendors'",
    "Amplify's builds and requests; S3's files and requests; ECR's images; letters; names in Route 53",
    "data between zones, flow logs, what a cache's snapshots take, and tasks and hosts beyond the fewest",
    "free tiers, taxes, support, and discounts for who commits",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """So many of a thing, all month, at a price."""

    what: str
    count: float
    price: Price

    @property
    def month_usd(self) -> float | None:
        """None where there is no price."""
        if self.price.usd is None:
            return None
        return self.count * self.price.usd * (MONTH_HOURS if self.price.unit == "hour" else 1)


USES: Final = (
    ("requests at CloudFront", prices.CDN_REQUESTS),
    ("requests at the firewall", prices.WEB_ACL_REQUESTS),
    ("sent out by CloudFront", prices.CDN_OUT),
    ("through a NAT gateway", prices.NAT_DATA),
    ("through an interface endpoint", prices.ENDPOINT_DATA),
    ("load balancer, per unit of capacity (LCU) in use", prices.BALANCER_UNIT),
    ("logs, written", prices.LOG_GB),
    ("traces, kept", prices.TRACES),
)
"""What is paid by use: nobody knows beforehand how much."""


def rows(env: Environment, stacks: Stacks) -> list[Row]:
    """What is always there, of those things of which there are any."""
    every = (
        *_network(stacks),
        *_tasks(env, stacks),
        *_hosts(env),
        *_kept(stacks),
        *_edge(stacks),
        *_observed(stacks),
    )
    return [row for row in every if row.count]


def _of_type(stacks: Stacks, kind: str) -> Iterator[Mapping[str, Any]]:
    for template in stacks.values():
        for resource in template.get("Resources", {}).values():
            if resource["Type"] == f"AWS::{kind}":
                yield resource.get("Properties", {})


def _count(stacks: Stacks, kind: str) -> int:
    return sum(1 for _ in _of_type(stacks, kind))


def _network(stacks: Stacks) -> Iterator[Row]:
    inside = [each for each in _of_type(stacks, "EC2::VPCEndpoint") if each.get("VpcEndpointType") == "Interface"]
    yield Row(what="NAT gateways", count=_count(stacks, "EC2::NatGateway"), price=prices.NAT_GATEWAY)
    yield Row(what="public addresses of theirs", count=_count(stacks, "EC2::EIP"), price=prices.PUBLIC_ADDRESS)
    yield Row(
        what=f"interface endpoints ({len(inside)}), in each zone",
        count=sum(len(each["SubnetIds"]) for each in inside),
        price=prices.ENDPOINT,
    )
    balancers = _count(stacks, "ElasticLoadBalancingV2::LoadBalancer")
    yield Row(what="load balancers", count=balancers, price=prices.BALANCER)


def _tasks(env: Environment, stacks: Stacks) -> Iterator[Row]:
    (task,) = (each for each in _of_type(stacks, "ECS::TaskDefinition") if each["Family"] == naming.service_name(env))
    words = f"of {env.tasks_least} task{'' if env.tasks_least == 1 else 's'}"
    cpus, gib = int(task["Cpu"]) / 1024, int(task["Memory"]) / 1024
    yield Row(what=f"Fargate, processors {words}", count=env.tasks_least * cpus, price=prices.FARGATE_CPU)
    yield Row(what=f"Fargate, GiB {words}", count=env.tasks_least * gib, price=prices.FARGATE_GIB)


def _hosts(env: Environment) -> Iterator[Row]:
    kind, hosts = env.ollama_instance, env.ollama_hosts
    yield Row(what=f"hosts of our own model, {kind}", count=hosts, price=prices.HOSTS.get(kind, prices.UNKNOWN_HOUR))
    yield Row(what="their disks, GB", count=hosts * DISK_GIB, price=prices.DISK_GB)
    quicker = hosts * (DISK_MIB_S - DISK_FREE_MIB_S)
    yield Row(what="their disks, MiB/s beyond what is free", count=quicker, price=prices.DISK_MIB_S)


def _kept(stacks: Stacks) -> Iterator[Row]:
    (cache,) = _of_type(stacks, "ElastiCache::ReplicationGroup")
    kind = cache["CacheNodeType"]
    yield Row(
        what=f"nodes of the cache, {kind}",
        count=cache["NumCacheClusters"],
        price=prices.CACHE_NODES.get(kind, prices.UNKNOWN_HOUR),
    )
    yield Row(what="keys", count=_count(stacks, "KMS::Key"), price=prices.KEY)
    yield Row(what="secrets", count=_count(stacks, "SecretsManager::Secret"), price=prices.SECRET)


def _edge(stacks: Stacks) -> Iterator[Row]:
    firewalls = list(_of_type(stacks, "WAFv2::WebACL"))
    yield Row(what="firewalls", count=len(firewalls), price=prices.WEB_ACL)
    rules = sum(len(each["Rules"]) for each in firewalls)
    yield Row(what="rules and groups of rules in it", count=rules, price=prices.WEB_ACL_RULE)


def _observed(stacks: Stacks) -> Iterator[Row]:
    watched = sum(
        sum("MetricStat" in query for query in each["Metrics"]) if "Metrics" in each else 1
        for each in _of_type(stacks, "CloudWatch::Alarm")
    )
    yield Row(
        what=f"metrics that {_count(stacks, 'CloudWatch::Alarm')} alarms watch",
        count=watched,
        price=prices.ALARM_METRIC,
    )
    composites = _count(stacks, "CloudWatch::CompositeAlarm")
    yield Row(what="composite alarms", count=composites, price=prices.COMPOSITE_ALARM)
    yield Row(what="dashboards", count=_count(stacks, "CloudWatch::Dashboard"), price=prices.DASHBOARD)
    yield Row(what="metrics of our own, at most", count=own_metrics(), price=prices.METRIC)
    clusters = _count(stacks, "ECS::Cluster")
    yield Row(what="clusters with Container Insights", count=clusters, price=prices.INSIGHTS)


def own_metrics() -> int:
    """How many the application writes, each combination of dimensions one, and how many are made of log lines."""
    values = {own.TRAFFIC: len(Traffic), own.STATUS_CLASS: len(STATUS_CLASSES)}
    total = len(PATTERNS)
    for metric in own.METRICS:
        combinations = 1
        for dimension in metric.dimensions:
            combinations *= values.get(dimension, 1)
        total += combinations
    return total


def document(stacks_by_name: Mapping[str, Stacks]) -> str:
    """The whole of deploy/costs.md."""
    return "\n".join(_lines(stacks_by_name)) + "\n"


def _lines(stacks_by_name: Mapping[str, Stacks]) -> Iterator[str]:
    counted = {name: rows(ENVIRONMENTS[name], stacks) for name, stacks in stacks_by_name.items()}
    yield from (
        "# What an environment costs",
        "",
        "Written by `.venv-deploy/bin/python -m deploy.costs` from the templates and `deploy/prices.py`; a test",
        "compares. List prices in dollars of us-east-1, unless confirmed; most other regions are dearer. A month has",
        "730 hours. What has no price here is not free: no source was found for it.",
        "",
        "| | priced, a month | without a price |",
        "|---|---:|---|",
    )
    for name, each in counted.items():
        unknown = ", ".join(row.what for row in each if row.month_usd is None)
        yield f"| [{name}](#{name}) | {_total(each):,.0f} | {unknown} |"
    yield from ("", f"Not in it: {'; '.join(NOT_IN_IT)}.", "", "## What use adds", "", "| | for each | price |")
    yield "|---|---|---:|"
    for what, price in USES:
        yield f"| {what} | {price.unit} | {_usd(price.usd)} |"
    for name, each in counted.items():
        yield from ("", f"## {name}", "", "| | how many | price | for each | a month |", "|---|---:|---:|---|---:|")
        for row in each:
            month = "" if row.month_usd is None else f"{row.month_usd:,.2f}"
            yield f"| {row.what} | {row.count:g} | {_usd(row.price.usd)} | {row.price.unit} | {month} |"
        yield f"| **what is priced** | | | | **{_total(each):,.2f}** |"
    yield from ("", "## Where the prices are from", "", "| price | for each | read | source |", "|---:|---|---|---|")
    for price in sorted(_used(counted), key=lambda price: (price.source, price.unit, price.usd)):
        yield f"| {_usd(price.usd)} | {price.unit} | {price.read} | {price.source} |"


def _used(counted: Mapping[str, list[Row]]) -> set[Price]:
    every = {row.price for each in counted.values() for row in each} | {price for _, price in USES}
    return {price for price in every if price.usd is not None}


def _total(each: list[Row]) -> float:
    return sum(row.month_usd or 0 for row in each)


def _usd(usd: float | None) -> str:
    return "" if usd is None else f"{usd:.6f}".rstrip("0").ljust(4, "0")


def stacks_of(env: Environment) -> Stacks:
    """The environment's templates, by the stack's short name."""
    with tempfile.TemporaryDirectory() as directory:
        return written_out(build(env, outdir=directory))


def main() -> int:
    """Print what deploy/costs.md is to be, from templates that are written anew. AWS is not asked."""
    sys.stdout.write(document({name: stacks_of(env) for name, env in ENVIRONMENTS.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
