"""Settings and secrets of the application, at the paths where it looks for them.

A secret that an owner brings is made without any value. Whatever asks for it is told so by Secrets Manager: ECS does
not start a task, and the application's own loader names the path. No made-up word can be taken for a key.
"""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from deploy import naming
from deploy.environment import Environment
from deploy.parameters import Secret, plain_settings, secrets_of
from deploy.parts import retention

_LENGTH = 64


def settings_in_parameter_store(scope: Construct, env: Environment) -> None:
    """A parameter a setting."""
    for name, value in plain_settings(env).items():
        ssm.StringParameter(
            scope, f"setting-{name}", parameter_name=naming.path_of(env, name), string_value=value, description=name
        )


def secrets_in_secrets_manager(scope: Construct, env: Environment, key: kms.Key, redis_url: str) -> Mapping[str, str]:
    """A secret a name; its complete ARN by its name.

    Args:
        scope: in which they are made.
        env: whose.
        key: encrypts them.
        redis_url: the cache's address, with its password as a reference that CloudFormation resolves.
    """
    return {secret.name: _secret(scope, env, key, secret, redis_url) for secret in secrets_of(env)}


def made_up(scope: Construct, name: str, *, path: str, what: str, key: kms.Key, env: Environment) -> str:
    """A secret whose value AWS makes up once: letters and digits, so that it fits into an address. Its ARN."""
    return secretsmanager.Secret(
        scope,
        name,
        secret_name=path,
        description=what,
        encryption_key=key,
        removal_policy=retention.of_data(env),
        generate_secret_string=secretsmanager.SecretStringGenerator(exclude_punctuation=True, password_length=_LENGTH),
    ).secret_arn


def model_identity(scope: Construct, env: Environment, key: kms.Key) -> str:
    """Where the key of our own model is kept, with its certificate. Its ARN; `deploy.rotate` puts the value there."""
    resource = secretsmanager.CfnSecret(
        scope,
        "model-identity",
        name=naming.model_identity(env),
        description="Key and certificate of our own model, PEM",
        kms_key_id=key.key_arn,
    )
    resource.apply_removal_policy(retention.of_data(env))
    return resource.ref


def _secret(scope: Construct, env: Environment, key: kms.Key, secret: Secret, redis_url: str) -> str:
    path, logical = naming.path_of(env, secret.name), f"secret-{secret.name}"
    if secret.made and secret.name != "REDIS_URL":
        return made_up(scope, logical, path=path, what=secret.description, key=key, env=env)
    resource = secretsmanager.CfnSecret(
        scope,
        logical,
        name=path,
        description=secret.description,
        kms_key_id=key.key_arn,
        secret_string=redis_url if secret.name == "REDIS_URL" else None,
    )
    resource.apply_removal_policy(retention.of_data(env))
    return resource.ref


def reference(secret_arn: str) -> str:
    """What CloudFormation replaces by the secret's value while it works; it stands in no template and no event."""
    return cdk.Fn.join("", ["{{resolve:secretsmanager:", secret_arn, ":SecretString}}"])
