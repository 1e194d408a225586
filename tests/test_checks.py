"""What `check --deploy` says of settings that are unsafe together."""

from typing import Any

import pytest
from pydantic import SecretStr

from eloquent import checks
from eloquent.foundation.config import Config

SAFE: dict[str, Any] = {
    "eloquent_env": "prod",
    "trusted_proxy_hops": 1,
    "allowed_origins": "https://app.example.org",
    "mongodb_uri": "mongodb://user:password@db.example.org/?tls=true",
    "redis_url": "rediss://:password@redis.example.org",
    "openai_api_key": "key",
    "openai_base_url": "https://models.example.org/v1",
}


def found(**changes: Any) -> list[str]:
    config = Config.model_validate(SAFE | changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "get_config", lambda: config)
        return [str(message.id) for message in checks.check_deployment()]


def test_safe_settings_pass() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (1, {"allowed_origins": "https://app.example.org,http://old.example.org"}),
        (2, {"trusted_proxy_hops": 0}),
        (3, {"next_public_api_url": "http://api.example.org"}),
        (4, {"log_level": "DEBUG"}),
        (5, {"redis_url": "redis://redis.example.org:6379"}),
        (6, {"mongodb_uri": "mongodb://db1.example.org,127.0.0.1/?replicaSet=rs0&tls=true"}),
        (7, {"openai_base_url": "http://models.example.org/v1"}),
        (7, {"bedrock_model_id": "model", "bedrock_endpoint_url": "http://vpce.example.org"}),
        (7, {"attachments_bucket": "files", "attachments_endpoint": "http://minio.example.org"}),
        (8, {"redis_url": "rediss://:password@redis.example.org?ssl_cert_reqs=none"}),
        (8, {"redis_url": "redis://:password@redis.example.org"}),
        (9, {"mongodb_uri": "mongodb://user:password@db.example.org/"}),
        (9, {"mongodb_uri": "mongodb://user:password@db.example.org/?tls=false"}),
        (9, {"mongodb_uri": "mongodb+srv://user:password@c.example.org/?ssl=false"}),
        (9, {"mongodb_uri": "mongodb+srv://user:password@c.example.org/?tlsAllowInvalidCertificates=true"}),
        (10, {"ollama_host": "http://127.0.0.1:11434,http://gpu.example.org:11434"}),
        (10, {"llamacpp_host": "http://gpu.example.org:8080"}),
        (10, {"openai_compatible_url": "http://gpu.example.org/v1"}),
        (10, {"mcp_allowed_hosts": "mcp.internal,http://tools.internal:9000"}),
        (10, {"smtp_url": "smtp://relay.example.org:25"}),
    ],
)
def test_what_is_unsafe_is_said_in_strict_places_alone(number: int, changes: dict[str, Any]) -> None:
    assert found(**changes) == [f"eloquent.W{number:03}"]
    assert found(**changes, eloquent_env="dev") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"mongodb_uri": "mongodb://127.0.0.1:27017,localhost:27018/"},
        {"mongodb_uri": "mongodb+srv://c.example.org/?authMechanism=MONGODB-AWS"},
        {"redis_url": "redis://127.0.0.1:6379"},
        {"mongodb_uri": "mongodb+srv://user:password@c.example.org/"},
        {"mongodb_uri": "mongodb://user:password@db.example.org/?ssl=true"},
        {"redis_url": "redis://:password@127.0.0.1:6379"},
        {"redis_url": "unix:///run/redis.sock"},
        {"ollama_host": "http://127.0.0.1:11434,https://gpu.example.org"},
        {"mcp_allowed_hosts": "mcp.internal,http://127.0.0.1:9000"},
        {"smtp_url": "smtp://user:password@mail.example.org"},
        {"smtp_url": "smtps://mail.example.org"},
        {"openai_base_url": "http://127.0.0.1:8000/v1"},
        {"openai_base_url": "http://models.example.org/v1", "openai_api_key": None},
    ],
)
def test_what_only_looks_unsafe_passes(changes: dict[str, Any]) -> None:
    assert found(**changes) == []


def test_no_warning_holds_a_secret() -> None:
    secret = SecretStr("mongodb://db.example.org/hunter2hunter2")
    config = Config.model_validate(SAFE | {"mongodb_uri": secret.get_secret_value(), "trusted_proxy_hops": 0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "get_config", lambda: config)
        said = " ".join(f"{message.msg} {message.hint}" for message in checks.check_deployment())
    assert "hunter2" not in said
