"""Every setting: its name, type, meaning and default. Read once: the environment, then `.env`, then the default.

Names in the environment are the attributes' in upper case (`MONGODB_URI`). An empty value counts as not set.
All faults are reported together: `ConfigFaults` names each setting, what was found (secrets masked) and what is
expected. A development machine makes its own keys and keeps them in the state directory; staging and production
refuse to start without real ones.
"""

import os
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, ValidationError

from eloquent.foundation import formats, keys, price_lists
from eloquent.foundation.masking import mask_uri


class Environment(StrEnum):
    """Where this process runs. Staging and production are strict."""

    DEV = "dev"
    TEST = "test"
    STAGING = "staging"
    PROD = "prod"


def _comma_separated(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _checked_secret(check: Any) -> AfterValidator:
    def checked(value: SecretStr) -> SecretStr:
        return SecretStr(check(value.get_secret_value()))

    return AfterValidator(checked)


Names = Annotated[tuple[str, ...], BeforeValidator(_comma_separated)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(formats.http_origin)], ...], BeforeValidator(_comma_separated)]
HttpUrl = Annotated[str, AfterValidator(formats.http_url)]
HttpUrls = Annotated[tuple[HttpUrl, ...], BeforeValidator(_comma_separated)]
Slots = Annotated[tuple[Annotated[str, AfterValidator(formats.slots)], ...], BeforeValidator(_comma_separated)]
Region = Annotated[str, Field(pattern=r"^[a-z]{2,6}(-[a-z]+)+-\d{1,2}$")]
Port = Annotated[int, Field(ge=0, le=65535)]


class Config(BaseModel, frozen=True):
    """The effective settings. Get it from `get_config`."""

    eloquent_env: Environment = Field(Environment.DEV, description="dev, test, staging or prod")
    debug: bool = Field(False, description="Django's debug pages; refused in staging and prod")
    secret_key: SecretStr = Field(SecretStr(""), description="50 or more random characters; signs admin sessions")
    allowed_hosts: Names = Field(
        ("127.0.0.1", "localhost", "[::1]"), description="host names that are served, comma separated, no wildcard"
    )
    allowed_origins: Origins = Field(
        (), description="origins of other frontends (https://app.example.org), comma separated: CORS and websockets"
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: Port = Field(8000, description="port to listen on")
    workers: int = Field(1, ge=1, le=64, description="server processes")
    trusted_proxy_hops: int = Field(
        0, ge=0, le=10, description="proxies in front of us whose X-Forwarded-For entries are believed"
    )

    mongodb_uri: Annotated[SecretStr, _checked_secret(formats.mongodb_uri)] = Field(
        SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rs0&serverSelectionTimeoutMS=5000"),
        description="MongoDB, mongodb:// or mongodb+srv://",
    )
    mongodb_name: str = Field(
        "eloquent", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="database name: letters, digits, _ and -"
    )
    redis_url: Annotated[SecretStr, _checked_secret(formats.redis_url)] | None = Field(
        None, description="Redis or Valkey, redis:// or rediss://; may be left out with one process"
    )

    ollama_host: HttpUrls = Field((), description="Ollama servers, http://host:11434, comma separated")
    ollama_model: str | None = Field(None, description="the Ollama model that is the default")
    llamacpp_host: HttpUrl | None = Field(None, description="a llama.cpp server, http://host:8080")
    openai_compatible_url: HttpUrl | None = Field(
        None, description="any OpenAI-compatible server, up to and without /chat/completions: https://host/v1"
    )
    openai_compatible_api_key: SecretStr | None = Field(None, description="its key")
    openai_api_key: SecretStr | None = Field(None, description="a key of OpenAI's API")
    openai_base_url: HttpUrl | None = Field(None, description="OpenAI's API elsewhere than at OpenAI, https://host/v1")
    openai_models: Names = Field((), description="OpenAI's models that are offered, comma separated")
    anthropic_api_key: SecretStr | None = Field(None, description="a key of Anthropic's API")
    anthropic_base_url: HttpUrl | None = Field(
        None, description="Anthropic's API elsewhere than at Anthropic, without /v1: https://host"
    )
    anthropic_models: Names = Field((), description="Anthropic's models that are offered, comma separated")
    usage_currency: str = Field(
        "USD", pattern=r"^[A-Z]{3}$", description="the currency of prices and budgets: three letters, USD or EUR"
    )
    model_prices: Annotated[str, AfterValidator(price_lists.checked)] = Field(
        "",
        description="prices that `models seed` sets where there are none, a million tokens in USAGE_CURRENCY, JSON: "
        '{"provider/name": {"input": "2.50", "output": "10", "cached_input"?: "0.25"}}',
    )
    bedrock_model_id: Names = Field(
        (), description="models on Amazon Bedrock: ids, inference profiles or ARNs, comma separated"
    )
    bedrock_region: Region | None = Field(None, description="the AWS region to ask for them; AWS_REGION without")
    aws_region: Region | None = Field(None, description="the AWS region, as AWS itself sets it")
    bedrock_endpoint_url: HttpUrl | None = Field(
        None, description="where Bedrock's runtime is reached in place of its public address, such as a VPC endpoint"
    )
    title_model: str = Field(
        "",
        max_length=200,
        description="the language model that names conversations: its id, off, or nothing for the conversation's own",
    )

    model_slots: Slots = Field(
        (),
        description="calls that each server of a provider is given at once: ollama=4,llamacpp=2; without, no limit",
    )
    model_queue: int = Field(
        100, ge=0, le=10_000, description="calls at most that wait for a server of MODEL_SLOTS; more are refused"
    )

    attachments_bucket: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$",
        description="the S3 bucket for attached files, with credentials as AWS's own tools find them; "
        "without it they lie in the state directory",
    )
    attachments_endpoint: HttpUrl | None = Field(None, description="the S3 server, when it is not Amazon's")
    attachment_max_bytes: int = Field(
        10 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="bytes of an attached file at most"
    )
    attachment_max_pixels: int = Field(
        50_000_000, ge=1, le=1_000_000_000, description="width times height of an attached picture at most"
    )
    attachments_max_bytes: int = Field(
        1024**3, ge=1024, description="bytes at most that a user may have attached in all conversations together"
    )
    attachments_unsent_max_bytes: int = Field(
        100 * 1024 * 1024, ge=1024, description="bytes at most that a user may have attached and not sent yet"
    )
    default_tools: Names = Field(
        (),
        description="tools that a model which can use tools may call when a question names none, comma separated: "
        "current_time,calculate",
    )
    mcp_servers: SecretStr = Field(
        SecretStr(""),
        description='tools of MCP servers, JSON: {"name": {"url": "https://host/mcp", "token"?, "tools"?: [names]}}',
    )
    mcp_allowed_hosts: Names = Field(
        (),
        description="hosts of MCP servers in your own network or on odd ports, [http://]host[:port], comma separated",
    )

    jwt_private_key: Annotated[SecretStr, _checked_secret(formats.private_pem_key)] = Field(
        SecretStr(""), description="RSA private key as PEM (2048 bits or more), signs access tokens"
    )
    jwt_previous_key: Annotated[SecretStr, _checked_secret(formats.pem_key)] | None = Field(
        None, description="the key before it, private or public PEM: still verifies while its tokens live"
    )

    next_public_api_url: HttpUrl | None = Field(
        None, description="where browsers reach this API, without /api: named in the OpenAPI document"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: Literal["json", "console"] = Field("json", description="json, or console for a developer's eyes")
    eloquent_state_dir: Path = Field(Path(".eloquent"), description="where a development machine keeps data and keys")

    @property
    def strict(self) -> bool:
        """Whether the rules of production hold."""
        return self.eloquent_env in (Environment.STAGING, Environment.PROD)


@dataclass(frozen=True, slots=True)
class Fault:
    """One setting that cannot be used. `found` is masked where the setting is secret."""

    name: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.name}: found {self.found}; expected {self.expected}"


class ConfigFaults(Exception):
    """The configuration cannot be used; `faults` has all that is wrong with it."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("The configuration has faults:\n" + "\n".join(f"  {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting as it is in force. `shown` is masked where it is secret; `source` says where it came from."""

    name: str
    shown: str
    source: str
    description: str


_FIELDS = Config.model_fields
_GENERATED = {"secret_key": ("secret-key", keys.make_secret), "jwt_private_key": ("jwt.pem", keys.make_signing_key)}
_SHORTEST_SECRET_KEY = 50


def _found() -> dict[str, tuple[str, str]]:
    """Each setting that is set: attribute → (value, source). The environment wins over `.env`.

    On a development machine, what neither sets is looked for among the servers that `manage.py up` has running. Tests
    see neither of these, nor `.env`.
    """
    file_values = {} if os.environ.get("ELOQUENT_ENV") == Environment.TEST else dotenv_values(".env")
    named = {
        name: (value, source)
        for source, values in ((".env", file_values), ("environment", os.environ))
        for name in _FIELDS
        if (value := values.get(name.upper()))
    }
    if named.get("eloquent_env", (Environment.DEV,))[0] != Environment.DEV:
        return named
    file = Path(named.get("eloquent_state_dir", (_FIELDS["eloquent_state_dir"].default,))[0]) / "running.env"
    running = {name.lower(): (value, str(file)) for name, value in dotenv_values(file).items() if value}
    return {name: entry for name, entry in running.items() if name in _FIELDS} | named


def _is_secret(name: str) -> bool:
    return "SecretStr" in str(_FIELDS[name].annotation)


def _shown(name: str, value: str) -> str:
    if not value:
        return "nothing"
    if "://" in value and name.endswith(("_uri", "_url", "_host")):
        return mask_uri(value)
    return "********" if _is_secret(name) else value


def _strict_faults(config: Config) -> list[Fault]:
    faults = []
    if config.debug:
        faults.append(Fault("DEBUG", "true", f"false in {config.eloquent_env}"))
    if any("*" in host or host.startswith(".") for host in config.allowed_hosts):
        faults.append(Fault("ALLOWED_HOSTS", ",".join(config.allowed_hosts), "full host names, no wildcard"))
    secret_key = config.secret_key.get_secret_value()
    if len(secret_key) < _SHORTEST_SECRET_KEY:
        faults.append(Fault("SECRET_KEY", _shown("secret_key", secret_key), _FIELDS["secret_key"].description or ""))
    if config.workers > 1 and config.redis_url is None:
        faults.append(Fault("REDIS_URL", "nothing", f"Redis, through which {config.workers} workers share answers"))
    if not config.jwt_private_key.get_secret_value():
        faults.append(Fault("JWT_PRIVATE_KEY", "nothing", _FIELDS["jwt_private_key"].description or ""))
    return faults


def _validated(values: dict[str, str]) -> tuple[Config, list[Fault]]:
    """The configuration with what can be used of the values, and a fault for each that cannot."""
    try:
        return Config.model_validate(values), []
    except ValidationError as error:
        wrong = {str(entry["loc"][0]): entry["msg"] for entry in error.errors()}
    faults = [
        Fault(name.upper(), _shown(name, values[name]), f"{_FIELDS[name].description} ({message})")
        for name, message in wrong.items()
    ]
    return Config.model_validate({name: value for name, value in values.items() if name not in wrong}), faults


def load_config() -> Config:
    """Read everything anew.

    Raises:
        ConfigFaults: with all faults at once.
    """
    config, faults = _validated({name: value for name, (value, _) in _found().items()})
    if config.strict:
        named_wrong = {fault.name for fault in faults}
        faults += [fault for fault in _strict_faults(config) if fault.name not in named_wrong]
    if faults:
        raise ConfigFaults(faults)
    made = {
        name: SecretStr(keys.kept(config.eloquent_state_dir / file, make))
        for name, (file, make) in _GENERATED.items()
        if not getattr(config, name).get_secret_value()
    }
    return config.model_copy(update=made)


@lru_cache(maxsize=1)
def get_config() -> Config:
    """The configuration of this process, read at the first call.

    Raises:
        ConfigFaults: with all faults at once.
    """
    return load_config()


def effective_settings(config: Config) -> list[EffectiveSetting]:
    """Every setting in the order of `Config`, with secrets masked and the source of each value."""
    found = _found()
    rows = []
    for name, field in _FIELDS.items():
        value = getattr(config, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        text = ",".join(text) if isinstance(text, tuple) else "" if text is None else str(text)
        if name in found:
            source = found[name][1]
        elif name in _GENERATED and text:
            source = str(config.eloquent_state_dir / _GENERATED[name][0])
        else:
            source = "default"
        rows.append(EffectiveSetting(name.upper(), _shown(name, text), source, field.description or ""))
    return rows
