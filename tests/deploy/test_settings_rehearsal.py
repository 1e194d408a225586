"""From the templates to a configuration: stacks in moto, secrets as an owner puts them in, the application's loader.

moto's CloudFormation knows no secrets: those of the template are made through Secrets Manager, by its names.
"""

from datetime import timedelta

import boto3
import pytest
from moto import mock_aws

from deploy.environments import ENVIRONMENTS
from deploy.parameters import plain_settings, secrets_of
from eloquent.foundation import keys
from eloquent.foundation.certificates import self_signed
from eloquent.foundation.config import ConfigFaults, aws, effective_settings, load_config, unknown_in_aws
from eloquent.foundation.config.settings import FIELDS
from tests.deploy.aws_rehearsal import bring_up, template

pytestmark = [
    pytest.mark.deploy,
    pytest.mark.filterwarnings("ignore:Tried to parse .* but it's not supported by moto:UserWarning"),
]
NAMES = list(ENVIRONMENTS)
VALUES = {
    "SECRET_KEY": "hunter2-" * 8,
    "JWT_PRIVATE_KEY": keys.make_signing_key(),
    "MODEL_CA": self_signed("ollama.prod.eloquent.internal", lasts=timedelta(days=1)).certificate,
    "MONGODB_URI": "mongodb+srv://app:hunter2@eloquent-pl-0.example.mongodb.net/?retryWrites=true&w=majority",
    "REDIS_URL": "rediss://:hunter2@master.eloquent.example.use1.cache.amazonaws.com:6379/0",
    "SENTRY_DSN": "https://hunter2@o1.ingest.sentry.io/1",
}


def secrets_in_template(name):
    """What the application is to find, by the setting's name."""
    found = [
        what["Properties"]["Name"]
        for what in template(name, "data")["Resources"].values()
        if what["Type"] == "AWS::SecretsManager::Secret"
    ]
    return [secret.rpartition("/")[2] for secret in found if secret.startswith(f"/eloquent/{name}/")]


@pytest.fixture
def surroundings(monkeypatch, tmp_path):
    """Nothing is set but what says where to look, as in a task; a region is chosen by the test."""
    for setting in FIELDS:
        monkeypatch.delenv(setting.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    for credential in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(credential, "testing")
    aws.stored_once.cache_clear()
    with mock_aws():
        yield monkeypatch
    aws.stored_once.cache_clear()


@pytest.fixture(params=NAMES)
def environment(request, surroundings):
    """An environment whose stacks are up, with secrets that nobody has put a value in."""
    env = ENVIRONMENTS[request.param]
    surroundings.setenv("ELOQUENT_ENV", env.name)
    surroundings.setenv("AWS_REGION", env.region)
    bring_up(env.name, env.region, "network", "data")
    manager = boto3.client("secretsmanager", env.region)
    for name in secrets_in_template(env.name):
        manager.create_secret(Name=f"/eloquent/{env.name}/{name}")
    return env


def put_values(env):
    manager = boto3.client("secretsmanager", env.region)
    for name in secrets_in_template(env.name):
        manager.put_secret_value(SecretId=f"/eloquent/{env.name}/{name}", SecretString=VALUES.get(name, "key-hunter2"))


def test_the_application_finds_every_setting_where_the_templates_put_it(environment, surroundings):
    put_values(environment)
    surroundings.setenv("CONFIG_SOURCE", "aws")
    config = load_config()
    sources = {row.name: row.source for row in effective_settings(config)}
    path = f"/eloquent/{environment.name}"
    expected = {name: f"ssm {path}/{name}" for name in plain_settings(environment)}
    expected |= {secret.name: f"secretsmanager {path}/{secret.name}" for secret in secrets_of(environment)}
    assert {name: sources[name] for name in expected} == expected
    assert unknown_in_aws() == []


def test_the_values_make_a_configuration_when_ecs_hands_them_over(environment, surroundings):
    put_values(environment)
    ssm, manager = (boto3.client(service, environment.region) for service in ("ssm", "secretsmanager"))
    path = f"/eloquent/{environment.name}"
    for page in ssm.get_paginator("get_parameters_by_path").paginate(Path=path):
        for one in page["Parameters"]:
            surroundings.setenv(one["Name"].rpartition("/")[2], one["Value"])
    for name in secrets_in_template(environment.name):
        surroundings.setenv(name, manager.get_secret_value(SecretId=f"{path}/{name}")["SecretString"])
    config = load_config()
    assert config.next_public_api_url == environment.origin
    assert config.allowed_hosts == (environment.domain,)
    assert config.trusted_proxy_hops == 2
    assert config.redis_url.get_secret_value().startswith("rediss://:")
    buckets = [one["Name"] for one in boto3.client("s3", environment.region).list_buckets()["Buckets"]]
    assert config.attachments_bucket in buckets


def test_secrets_that_nobody_has_put_a_value_in_stop_the_application(environment, surroundings):
    """AWS tells which ones; moto refuses the question as a whole."""
    surroundings.setenv("CONFIG_SOURCE", "aws")
    with pytest.raises(ConfigFaults, match=rf"/eloquent/{environment.name} in Secrets Manager.*ResourceNotFound"):
        load_config()
