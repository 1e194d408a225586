"""What a value of an environment may be by itself: where it lies, how much there is of it, how it is written.

A template with one that AWS does not know is refused when it is deployed, half an hour and a few stacks later.
"""

import difflib
import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from deploy.application_settings import SAID_BY_THE_TASK, application_settings

if TYPE_CHECKING:
    from deploy.environment import Environment

_FEWEST_ZONES: Final = 2
_NETWORK_PREFIX: Final = 16
_GIB: Final = 1024
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#task_size
_FARGATE_MEMORY_MIB: Final = {
    512: range(1 * _GIB, 4 * _GIB + 1, _GIB),
    1024: range(2 * _GIB, 8 * _GIB + 1, _GIB),
    2048: range(4 * _GIB, 16 * _GIB + 1, _GIB),
    4096: range(8 * _GIB, 30 * _GIB + 1, _GIB),
}
# https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Replication.Redis.Groups.html: of one shard, as ours has.
_REPLICAS_MOST: Final = 5
# https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/CacheNodes.SupportedTypes.html
_CACHE_NODE: Final = re.compile(r"cache\.[a-z]+\d[a-z]*\.(micro|small|medium|large|\d*xlarge)")
# Those with a GPU of NVIDIA's on which ECS's image for GPUs (x86_64, Amazon Linux 2023) runs; its families and drivers:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-gpu.html
# https://docs.aws.amazon.com/batch/latest/userguide/batch-gpu-ami.html (Batch's hosts start from it, too)
# https://github.com/aws/amazon-ecs-ami/blob/main/scripts/al2023/gpu/nvidia-kmod-load.sh
# Not g4ad (AMD), g5g (ARM), g2 and p2 (too old for the driver), g3 (8 GiB), g6f (a part of a GPU).
_GPU_FAMILIES: Final = frozenset(
    {"g4dn", "g5", "g6", "g6e", "gr6", "p3", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200"}
)
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
"""As the application knows them; a test compares."""
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]{1,100}")


def place_faults(env: "Environment") -> Iterator[str]:
    """Of where it is and what it is called."""
    if not re.fullmatch(r"dev|staging|prod", env.name):
        yield f"name: {env.name!r}; dev, staging or prod"
    if not re.fullmatch(r"\d{12}", env.account):
        yield f"account: {env.account!r}; twelve digits"
    if len(env.zones) < _FEWEST_ZONES or len(set(env.zones)) != len(env.zones):
        yield "zones: at least two, each once"
    if wrong := [zone for zone in env.zones if not re.fullmatch(rf"{re.escape(env.region)}[a-f]", zone)]:
        yield f"zones: {', '.join(wrong)}; zones of {env.region}"
    network, atlas = _network(env.network), _network(env.atlas_network)
    if network is None or network.prefixlen != _NETWORK_PREFIX or not network.is_private:
        yield f"network: {env.network}; a private /16"
    elif atlas is not None and network.overlaps(atlas):
        yield f"network: {env.network} overlaps Atlas's {env.atlas_network}"
    if env.atlas_network and atlas is None:
        yield f"atlas_network: {env.atlas_network}; addresses in CIDR notation"
    for known in ("cloudfront_prefix_list", "s3_prefix_list"):
        if not re.fullmatch(r"pl-[0-9a-f]{8,17}", getattr(env, known)):
            yield f"{known}: {getattr(env, known)!r}; pl-… as the region calls it"
    yield from _domain_faults(env)


def _network(written: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(written)
    except ValueError:
        return None


def _domain_faults(env: "Environment") -> Iterator[str]:
    for domain in (env.domain, env.frontend_domain):
        if not domain.endswith(f".{env.hosted_zone_name}"):
            yield f"domain, frontend_domain: {domain} is not below {env.hosted_zone_name}"
    if env.domain == env.frontend_domain:
        yield f"frontend_domain: {env.frontend_domain} is the API's"


def size_faults(env: "Environment") -> Iterator[str]:
    """Of how much there is of everything."""
    if not 1 <= env.tasks_least <= env.tasks_most:
        yield f"tasks_least, tasks_most: {env.tasks_least} to {env.tasks_most}; 1 or more, and least first"
    if env.task_memory_mib not in _FARGATE_MEMORY_MIB.get(env.task_cpu, ()):
        yield f"task_cpu, task_memory_mib: Fargate has no task of {env.task_cpu} units and {env.task_memory_mib} MiB"
    if not 0 <= env.nat_gateways <= len(env.zones):
        yield f"nat_gateways: {env.nat_gateways}; 0 to {len(env.zones)}, one a zone"
    if env.streams_a_task < 1 or env.workers < 1:
        yield "streams_a_task, workers: 1 or more"
    if not 0 <= env.cache_replicas <= _REPLICAS_MOST:
        yield f"cache_replicas: {env.cache_replicas}; 0 to {_REPLICAS_MOST}"
    if env.monthly_budget_usd < 1:
        yield f"monthly_budget_usd: {env.monthly_budget_usd}; 1 or more: alarms are shares of it"
    yield from _model_faults(env)


def _model_faults(env: "Environment") -> Iterator[str]:
    if env.answers_at_once < 1:
        yield f"answers_at_once: {env.answers_at_once}; 1 or more"
    least, most = env.ollama_hosts, env.ollama_hosts_most
    if least < 0 or (most and most < least):
        yield f"ollama_hosts, ollama_hosts_most: {least} to {most}; least first, or 0 for never more"


def wording_faults(env: "Environment") -> Iterator[str]:
    """Of how names are written that are somebody else's: AWS's, GitHub's, the application's."""
    family, _, size = env.ollama_instance.partition(".")
    if env.ollama_instance and not (family in _GPU_FAMILIES and size):
        yield (
            f"ollama_instance: {env.ollama_instance!r}; one with a GPU of NVIDIA's, g5.xlarge, of the families "
            f"{', '.join(sorted(_GPU_FAMILIES))}"
        )
    if not _CACHE_NODE.fullmatch(env.cache_node):
        yield f"cache_node: {env.cache_node!r}; as ElastiCache calls it, cache.t4g.small"
    if env.log_level not in LOG_LEVELS:
        yield f"log_level: {env.log_level!r}; {', '.join(LOG_LEVELS)}"
    if not _REPOSITORY.fullmatch(env.repository):
        yield f"repository: {env.repository!r}; owner/name, as GitHub has it"
    for name in env.settings:
        yield from _setting_faults(name)


def _setting_faults(name: str) -> Iterator[str]:
    known = application_settings()
    if name not in known:
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.75)
        yield f"settings: {name}; the application reads no such setting{f': is {near[0]} meant?' if near else ''}"
    elif known[name]:
        yield f"settings: {name}; a secret: an owner puts it into Secrets Manager, and it stands in no file"
    elif name in SAID_BY_THE_TASK:
        yield f"settings: {name}; the task says it, and is told it once"
