"""Every setting that the application gets on AWS: its name, where it lies, and its value where it is known from here.

Plain values lie in SSM Parameter Store, secrets in Secrets Manager, both at `/eloquent/{env}/NAME`. ECS hands all of
them to the application as its environment. A secret's value is never known from here: an owner puts it there, except
where `made` says that AWS makes one up. Names are those of `eloquent/foundation/config`, with which
`tests/deploy/test_parameters.py` compares them. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy import naming
from deploy.environment import Answering, Environment

APPLICATION_HOPS: Final = 2
"""CloudFront and the load balancer stand between a client and the application."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of an environment. `made` says that its first value is made up by AWS; else an owner puts it there."""

    name: str
    description: str
    made: bool = False


_OF_OUR_OWN_MODEL: Final = (Secret("MODEL_CA", "our own model's certificate, made by `python -m deploy.rotate`"),)


def plain_settings(env: Environment) -> Mapping[str, str]:
    """The environment's settings that are no secrets: name → value. A name without a value is left out."""
    values = {
        "NEXT_PUBLIC_API_URL": env.origin,
        "FRONTEND_URL": f"https://{env.frontend_domain}",
        "ALLOWED_HOSTS": env.domain,
        "ALLOWED_ORIGINS": f"https://{env.frontend_domain}",
        "LOG_LEVEL": env.log_level,
        "TRUSTED_PROXY_HOPS": str(APPLICATION_HOPS),
        "PLACE_HEADERS": "CloudFront-Viewer-Country,CloudFront-Viewer-City",
        "WORKERS": str(env.workers),
        "MAIL_BACKEND": "ses",
        "MAIL_FROM": f"Eloquent AI <{naming.mail_from(env)}>",
        "ATTACHMENTS_BUCKET": naming.bucket_name(env, "files"),
        "OPENAI_MODELS": ",".join(env.openai_models),
        "ANTHROPIC_MODELS": ",".join(env.anthropic_models),
        "BEDROCK_MODEL_ID": env.bedrock_model,
        "PINECONE_INDEX_NAME": naming.service_name(env, "knowledge") if env.pinecone else "",
    }
    if Answering.OLLAMA in env.answering:
        values |= {"OLLAMA_HOST": naming.ollama_host(env), "OLLAMA_MODEL": env.ollama_model}
        # As many as all hosts give that there can be. What comes before there are so many waits inside Ollama, and more
        # hosts come when people wait; beyond that they wait in the application, which tells them their place.
        values |= {"MODEL_SLOTS": f"ollama={env.answers_at_once * env.models_most}"}
    if Answering.BEDROCK in env.answering:
        values |= {"BEDROCK_REGION": env.region}
    return {name: value for name, value in (values | dict(env.settings)).items() if value}


def secrets_of(env: Environment) -> tuple[Secret, ...]:
    """The environment's secrets, in a steady order."""
    return (
        Secret("SECRET_KEY", "50 or more random characters", made=True),
        # Its first value is a key that never was: ECS starts no task while a secret has none.
        Secret("SECRET_KEY_FALLBACKS", "keys that SECRET_KEY was before, comma separated", made=True),
        Secret("JWT_PRIVATE_KEY", "an RSA key in PEM that signs access tokens"),
        Secret("MONGODB_URI", "MongoDB Atlas at its private address"),
        Secret("REDIS_URL", "the cache, rediss:// with the password that AWS made up for it", made=True),
        *(_OF_OUR_OWN_MODEL if Answering.OLLAMA in env.answering else ()),
        *((Secret("OPENAI_API_KEY", "OpenAI's key"),) if Answering.OPENAI in env.answering else ()),
        *((Secret("ANTHROPIC_API_KEY", "Anthropic's key"),) if Answering.ANTHROPIC in env.answering else ()),
        *((Secret("PINECONE_API_KEY", "Pinecone's key"),) if env.pinecone else ()),
        *((Secret("SENTRY_DSN", "where errors are reported"),) if env.sentry else ()),
    )
