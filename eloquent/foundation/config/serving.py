"""Settings of the server itself: where it runs, what it listens on, its database, its logs."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from eloquent.foundation import formats
from eloquent.foundation.config.types import Environment, HttpUrl, Names, Origins, Port, checked_secret


class ServingSettings(BaseModel, frozen=True):
    """Where and how this process serves."""

    eloquent_env: Environment = Field(Environment.DEV, description="dev, test, staging or prod")
    production_rules: bool = Field(
        False, description="the rules of production in dev, too: for a dev environment that is no developer's machine"
    )
    config_source: Literal["environment", "aws"] = Field(
        "environment",
        description="aws: what neither the environment nor .env sets is read from Parameter Store and, where it is "
        "secret, from Secrets Manager, at /eloquent/{ELOQUENT_ENV}/NAME",
    )
    debug: bool = Field(False, description="Django's debug pages; refused in staging and prod")
    secret_key: SecretStr = Field(
        SecretStr(""), description="50 or more random characters; signs admin sessions, seals secrets at rest"
    )
    secret_key_fallbacks: SecretStr = Field(
        SecretStr(""), description="SECRET_KEYs before it, comma separated: what they sealed and signed stays good"
    )
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
    rate_limit_user_per_minute: int = Field(
        1200, ge=1, le=10_000_000, description="requests a minute that a signed-in user may make"
    )
    rate_limit_key_per_minute: int = Field(
        600, ge=1, le=10_000_000, description="requests a minute that an API key may make; a key may have a lower limit"
    )
    rate_limit_address_per_minute: int = Field(
        600, ge=1, le=10_000_000, description="requests a minute from an address that nobody is signed in for"
    )
    rate_limit_runs_per_minute: int = Field(
        60, ge=1, le=10_000_000, description="answers a minute that a signed-in user may ask for"
    )

    place_headers: Names = Field(
        (),
        max_length=2,
        description="headers in which a proxy of ours tells a client's country and city, such as "
        "CloudFront-Viewer-Country,CloudFront-Viewer-City; read with TRUSTED_PROXY_HOPS alone",
    )

    mongodb_uri: Annotated[SecretStr, checked_secret(formats.mongodb_uri)] = Field(
        SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rs0&serverSelectionTimeoutMS=5000"),
        description="MongoDB, mongodb:// or mongodb+srv://",
    )
    mongodb_name: str = Field(
        "eloquent", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="database name: letters, digits, _ and -"
    )
    redis_url: Annotated[SecretStr, checked_secret(formats.redis_url)] | None = Field(
        None, description="Redis or Valkey, redis:// or rediss://; may be left out with one process"
    )

    next_public_api_url: HttpUrl | None = Field(
        None, description="where browsers reach this API, without /api: named in the OpenAPI document"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: Literal["json", "console"] = Field("json", description="json, or console for a developer's eyes")
    eloquent_state_dir: Path = Field(Path(".eloquent"), description="where a development machine keeps data and keys")
