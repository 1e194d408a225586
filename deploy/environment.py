"""What may differ between environments, typed, and which combinations there cannot be.

Account ids, zones and domains are the owner's: `environments.py` has them. All faults of one are told at once; those of
a value by itself are found by `bounds.py`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from deploy.bounds import place_faults, size_faults, wording_faults

EDGE_REGION: Final = "us-east-1"
"""CloudFront takes its certificate and its firewall from here, wherever the rest is."""

PLACEHOLDER_ACCOUNT: Final = "000000000000"
"""An account that is still to be named: the templates can be written and tested, not deployed."""

# A profile's name is the model's with a part of the world in front. (`us-gov` lies in a partition that is not ours.)
PROFILE: Final = re.compile(r"^(us|eu|apac|jp|au|global)\.")
# Two words with a point each before the model's own name, where a model has its maker's alone.
_LIKE_A_PROFILE: Final = re.compile(r"^([a-z-]+)\.[a-z0-9]+\.")


class Answering(StrEnum):
    """Who answers: our own Ollama, Amazon Bedrock, or vendors over the internet."""

    OLLAMA = "ollama"
    BEDROCK = "bedrock"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"


class Release(StrEnum):
    """How a new version takes over."""

    ROLLING = "rolling"
    BLUE_GREEN = "blue-green"
    CODEDEPLOY = "codedeploy"


class AtlasRoad(StrEnum):
    """How the application reaches MongoDB Atlas: never over the internet."""

    PRIVATELINK = "privatelink"
    PEERING = "peering"


class Watch(StrEnum):
    """How closely an environment is watched."""

    LITTLE = "little"
    """Only the alarms that are `everywhere`, and all of them by letter."""
    ALL = "all"
    """All alarms, by letter."""
    DAY_AND_NIGHT = "day and night"
    """All alarms, and those that page do."""


class Logs(StrEnum):
    """Days that logs are kept, as CloudWatch takes them."""

    TWO_WEEKS = "14"
    THREE_MONTHS = "90"
    A_YEAR = "365"


class ImpossibleEnvironment(ValueError):
    """The environment cannot be built; `faults` says all that is wrong with it."""

    def __init__(self, name: str, faults: list[str]) -> None:
        self.faults = faults
        super().__init__(f"The environment {name} cannot be built:\n" + "\n".join(f"  {fault}" for fault in faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment.

    Raises:
        ImpossibleEnvironment: what was asked for does not go together.
    """

    name: str
    account: str
    region: str
    zones: tuple[str, ...]
    network: str
    """The network's addresses, a /16 in CIDR notation. Unlike that of any network that it is peered with."""

    domain: str
    """Where the API is: `api.example.org`."""
    frontend_domain: str
    """Where the Next.js frontend is: `app.example.org`."""
    hosted_zone_id: str
    hosted_zone_name: str

    nat_gateways: int
    """Ways out to the internet: 0 for none, else at most one a zone."""
    answering: tuple[Answering, ...]
    release: Release
    atlas: AtlasRoad
    atlas_service_name: str = ""
    """PrivateLink: what Atlas calls its endpoint service, `com.amazonaws.vpce.us-east-1.vpce-svc-…`."""
    atlas_peering_id: str = ""
    """Peering: `pcx-…`, nothing before there is one (Atlas asks for the network's id first), and Atlas's addresses."""
    atlas_network: str = ""

    cloudfront_prefix_list: str
    """The region's id, `pl-…`, of `com.amazonaws.global.cloudfront.origin-facing`, the one list CloudFront comes from:

    aws ec2 describe-managed-prefix-lists --filters Name=prefix-list-name,Values=com.amazonaws.global.cloudfront.*
    """
    s3_prefix_list: str
    """The region's id of `com.amazonaws.{region}.s3`, found like the one above: what lies behind S3's own road."""

    tasks_least: int
    tasks_most: int
    task_cpu: int
    """Units: 1024 are one processor."""
    task_memory_mib: int
    workers: int
    streams_a_task: int
    """Answers in flight for which a task is made: above that another one is started."""

    cache_node: str
    cache_replicas: int
    ollama_model: str = ""
    ollama_instance: str = ""
    ollama_hosts: int = 0
    answers_at_once: int = 4
    """That one of our own models gives on its GPU."""
    ollama_hosts_most: int = 0
    """While people wait for one; 0 for never more than `ollama_hosts`."""
    bedrock_model: str = ""
    bedrock_regions: tuple[str, ...] = ()
    """Where an inference profile may have a question answered: its policy must name the model in each."""
    openai_models: tuple[str, ...] = ()
    anthropic_models: tuple[str, ...] = ()
    pinecone: bool = False
    sentry: bool = False
    frontend_sentry_dsn: str = ""
    """Where the frontend's pages report errors; everybody who opens one can read it."""

    log_days: Logs
    log_level: str = "INFO"
    watch: Watch
    alarm_email: str
    monthly_budget_usd: int
    frontend_repository: str
    """Where Amplify builds the frontend from: `https://github.com/example/frontend`."""
    repository: str
    """Whose workflows may deploy: `example/eloquent`."""
    github_subject: str = ""
    """How GitHub's tokens name that repository, where not `repo:example/eloquent`: those that were made or renamed
    after June 2026 have numbers in it. Its settings (*Actions*, *OIDC*) show it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """More settings of the application that are no secrets, or others than `parameters.py` gives: name → value."""
    protected: bool
    """Whether data outlives a deleted stack."""

    def __post_init__(self) -> None:
        if faults := list(_faults(self)):
            raise ImpossibleEnvironment(self.name, faults)

    @property
    def needs_internet(self) -> list[str]:
        """What of this environment lies outside of AWS and has no private road: it needs a way out."""
        return [
            *(vendor for vendor in (Answering.OPENAI, Answering.ANTHROPIC) if vendor in self.answering),
            *(["pinecone"] if self.pinecone else []),
            *(["sentry"] if self.sentry else []),
        ]

    @property
    def models_most(self) -> int:
        """Hosts of our own language model at most."""
        return max(self.ollama_hosts, self.ollama_hosts_most)

    @property
    def private_endpoints(self) -> bool:
        """Whether AWS's own services are reached inside the network.

        Each costs by the hour and zone, so only where there is no other way, or where data is worth it.
        """
        return self.protected or not self.nat_gateways

    @property
    def subject(self) -> str:
        """Whom GitHub's tokens are for: the repository's jobs in the GitHub environment of this name."""
        return f"{self.github_subject or f'repo:{self.repository}'}:environment:{self.name}"

    @property
    def origin(self) -> str:
        """Where browsers find the API."""
        return f"https://{self.domain}"


def side_by_side(*environments: Environment) -> dict[str, Environment]:
    """Environments by their names.

    Raises:
        ImpossibleEnvironment: a protected one shares its account. Whoever deploys the other one uses the roles that
            `cdk bootstrap` made, which are the account's: they may do everything in the protected one, too.
    """
    for env in environments:
        faults = [
            f"account: {env.account} is {other.name}'s, too; a protected environment has one of its own"
            for other in environments
            if env.protected and other is not env and other.account == env.account != PLACEHOLDER_ACCOUNT
        ]
        if faults:
            raise ImpossibleEnvironment(env.name, faults)
    return {env.name: env for env in environments}


def _faults(env: Environment) -> Iterator[str]:
    yield from place_faults(env)
    yield from size_faults(env)
    yield from wording_faults(env)
    yield from _answering_faults(env)
    if env.name == "prod":
        yield from _prod_faults(env)
    if env.needs_internet and not env.nat_gateways:
        yield f"nat_gateways: 0, but {', '.join(env.needs_internet)} can only be reached over the internet"
    if env.atlas is AtlasRoad.PRIVATELINK and not env.atlas_service_name.startswith("com.amazonaws.vpce."):
        yield "atlas_service_name: the com.amazonaws.vpce.… name that Atlas gives for its private endpoint"
    if env.atlas is AtlasRoad.PEERING and not (
        env.atlas_network and (not env.atlas_peering_id or env.atlas_peering_id.startswith("pcx-"))
    ):
        yield "atlas_peering_id, atlas_network: the pcx-… of the peering, if there is one yet, and Atlas's CIDR"


def _prod_faults(env: Environment) -> Iterator[str]:
    if env.tasks_least < len(env.zones):
        yield f"tasks_least: {env.tasks_least}; one a zone in prod ({len(env.zones)})"
    if not env.cache_replicas:
        yield "cache_replicas: 0; prod's answers must outlive a node of the cache"
    if not env.protected:
        yield "protected: False; prod's data must outlive a deleted stack"


def _answering_faults(env: Environment) -> Iterator[str]:
    if not env.answering:
        yield "answering: nobody"
    chosen = {
        Answering.OLLAMA: bool(env.ollama_model and env.ollama_instance and env.ollama_hosts > 0),
        Answering.BEDROCK: bool(env.bedrock_model),
        Answering.OPENAI: bool(env.openai_models),
        Answering.ANTHROPIC: bool(env.anthropic_models),
    }
    names = {
        Answering.OLLAMA: "ollama_model, ollama_instance, ollama_hosts",
        Answering.BEDROCK: "bedrock_model",
        Answering.OPENAI: "openai_models",
        Answering.ANTHROPIC: "anthropic_models",
    }
    for who, described in chosen.items():
        if who in env.answering and not described:
            yield f"{names[who]}: nothing, but {who} answers"
        if who not in env.answering and described:
            yield f"{names[who]}: set, but {who} is not among those who answer"
    like = _LIKE_A_PROFILE.match(env.bedrock_model)
    if like and not PROFILE.match(env.bedrock_model):
        yield f"bedrock_model: {like.group(1)!r} is no part of the world whose profiles are known: {PROFILE.pattern}"
    if PROFILE.match(env.bedrock_model) and env.region not in env.bedrock_regions:
        yield f"bedrock_regions: the regions of the profile {env.bedrock_model}, {env.region} among them"
    if env.bedrock_regions and not PROFILE.match(env.bedrock_model):
        yield f"bedrock_regions: {env.bedrock_model or 'no model'} is no inference profile"
