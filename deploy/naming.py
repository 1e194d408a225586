"""What everything is called, from the environment's name alone. Pure.

Stacks that need each other's things say plain names from here rather than hand constructs around: CloudFormation then
needs no exports, and no stack is held by another one.
"""

import re
from typing import Final

from deploy.environment import Environment

SERVICE: Final = "eloquent"

API_REPOSITORY: Final = "eloquent/api"
COLLECTOR_REPOSITORY: Final = "eloquent/collector"
"""The ADOT collector, copied here: a network without a way out can pull from nowhere else."""
OLLAMA_REPOSITORY: Final = "eloquent/ollama"
"""Ollama with its model inside."""

USER: Final = "10001"
"""As whom every container runs, as the images have it."""
OLLAMA_PORT: Final = 11434
BALANCER_LOGS: Final = "balancer"
EDGE_LOGS: Final = "edge"
"""Where in the bucket for logs the load balancer and CloudFront write theirs."""

COLLECTOR_VERSION: Final = "v0.47.0"
OLLAMA_VERSION: Final = "0.13.5"


def path_of(env: Environment, setting: str) -> str:
    """Where a setting's value lies, in SSM or Secrets Manager: `/eloquent/prod/LOG_LEVEL`."""
    return f"/{SERVICE}/{env.name}/{setting}"


def stack_name(env: Environment, stack: str) -> str:
    """`eloquent-prod-network`."""
    return f"{SERVICE}-{env.name}-{stack}"


def image_of(env: Environment, repository: str, tag: str) -> str:
    """The address of an image in our own registry."""
    return f"{env.account}.dkr.ecr.{env.region}.amazonaws.com/{repository}:{tag}"


def cluster_name(env: Environment) -> str:
    """The ECS cluster."""
    return f"{SERVICE}-{env.name}"


def service_name(env: Environment, what: str = "api") -> str:
    """An ECS service, and the family of its tasks: `eloquent-prod-api`."""
    return f"{SERVICE}-{env.name}-{what}"


def log_group(env: Environment, what: str = "api") -> str:
    """A log group of CloudWatch: `/eloquent/prod/api`."""
    return f"/{SERVICE}/{env.name}/{what}"


def alarm_name(env: Environment, what: str) -> str:
    """`eloquent-prod-api-5xx`."""
    return f"{SERVICE}-{env.name}-{what}"


def key_alias(env: Environment) -> str:
    """The key that encrypts data at rest: `alias/eloquent-prod`."""
    return f"alias/{SERVICE}-{env.name}"


def mail_from(env: Environment) -> str:
    """Whose letters people get: the one address that may send any."""
    return f"hello@{env.hosted_zone_name}"


def private_domain(env: Environment) -> str:
    """Names that exist inside the network only: `prod.eloquent.internal`."""
    return f"{env.name}.{SERVICE}.internal"


def ollama_name(env: Environment) -> str:
    """Ollama's name in the network, which stands in its certificate: `ollama.prod.eloquent.internal`."""
    return f"ollama.{private_domain(env)}"


def ollama_host(env: Environment) -> str:
    """Where the application finds Ollama."""
    return f"https://{ollama_name(env)}:{OLLAMA_PORT}"


def model_identity(env: Environment) -> str:
    """The secret with the key and the certificate of our own model. No setting, so not below the settings' path."""
    return f"{service_name(env, 'model')}-identity"


def bucket_name(env: Environment, what: str) -> str:
    """A bucket, unlike anybody else's and one of another region: `eloquent-prod-files-eu-west-1-123456789012`."""
    return f"{SERVICE}-{env.name}-{what}-{env.region}-{env.account}"


def collector_image(env: Environment) -> str:
    """The collector's image; its tag is ADOT's own version, which no release of ours changes."""
    return image_of(env, COLLECTOR_REPOSITORY, COLLECTOR_VERSION)


def ollama_image(env: Environment) -> str:
    """Ollama's image; its tag says which Ollama and which model, so that a release of the API replaces no GPU host."""
    model = re.sub(r"[^A-Za-z0-9_.-]", "-", env.ollama_model)
    return image_of(env, OLLAMA_REPOSITORY, f"{OLLAMA_VERSION}-{model}")


def parameter_arn(env: Environment, setting: str) -> str:
    """The ARN of a plain setting in Parameter Store."""
    return f"arn:aws:ssm:{env.region}:{env.account}:parameter{path_of(env, setting)}"


def origin_domain(env: Environment) -> str:
    """What CloudFront calls the load balancer: a name in its certificate that no DNS has, so nobody else finds it."""
    return f"origin.{env.domain}"
