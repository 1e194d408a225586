"""What AWS lets an account run at once in a region, and what an environment needs at its busiest.

A quota that is too low is met late: a release that cannot start beside the old one, hosts that never come.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from deploy.commands.account import Account
from deploy.environment import Answering, Environment

_UNITS_A_PROCESSOR: Final = 1024
_SIDE_BY_SIDE: Final = 2
"""Releases: whichever way one takes over, all its tasks come up before any of the old ones goes (decision 52)."""
_GRAPHICS_FAMILIES: Final = ("g", "vt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A limit on processors, of one account in one region, by the names that Service Quotas gives it."""

    service: str
    code: str
    what: str


# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html#service-quotas-fargate
FARGATE: Final = Quota(service="fargate", code="L-3032A538", what="Fargate's processors")
# https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
GRAPHICS: Final = Quota(service="ec2", code="L-DB2E81BA", what="processors of running G and VT hosts")


def quotas(account: Account, _tag: str) -> Iterator[str]:
    """Each quota that is below what the environment needs, or of which AWS says nothing."""
    environment = account.environment
    yield from _lacking(account, FARGATE, fargate_processors(environment))
    if Answering.OLLAMA in environment.answering:
        yield from _lacking_for_hosts(account, environment)


def fargate_processors(environment: Environment) -> float:
    """Two releases side by side, each with the most tasks that there may be, and the task that migrates."""
    tasks = _SIDE_BY_SIDE * environment.tasks_most + 1
    return tasks * environment.task_cpu / _UNITS_A_PROCESSOR


def most_hosts(environment: Environment) -> int:
    """As the group of hosts has it: one more than there are models at most, while one is replaced."""
    return environment.models_most + 1


def _lacking_for_hosts(account: Account, environment: Environment) -> Iterator[str]:
    kind = environment.ollama_instance
    if not kind.startswith(_GRAPHICS_FAMILIES):
        yield f"the quota of {kind} is not known here, which is neither a G nor a VT host: look at Service Quotas"
        return
    try:
        (described,) = account.client("ec2").describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]
    except (ClientError, BotoCoreError) as error:
        yield f"{GRAPHICS.what}: not known how many a {kind} has ({_why(error)})"
        return
    processors = described["VCpuInfo"]["DefaultVCpus"]
    yield from _lacking(account, GRAPHICS, most_hosts(environment) * processors)


def _lacking(account: Account, quota: Quota, needed: float) -> Iterator[str]:
    wanted = f"{needed:g} are needed in {account.environment.region} ({quota.service} {quota.code})"
    try:
        answer = account.client("service-quotas").get_service_quota(ServiceCode=quota.service, QuotaCode=quota.code)
    except (ClientError, BotoCoreError) as error:
        yield f"{quota.what}: the quota is not known ({_why(error)}); {wanted}"
        return
    allowed = answer.get("Quota", {}).get("Value")
    if allowed is None:
        yield f"{quota.what}: the quota is not known (no value); {wanted}"
    elif allowed < needed:
        yield f"{quota.what}: the quota is {allowed:g}, and {wanted}: ask for more"


def _why(error: ClientError | BotoCoreError) -> str:
    """The code or the kind: what AWS says in words may quote what was sent."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__
