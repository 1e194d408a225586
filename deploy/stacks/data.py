"""What is kept: the key, settings and secrets, the cache, users' files. MongoDB itself is at Atlas."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from constructs import Construct

from deploy import naming
from deploy.environment import Answering, Environment
from deploy.parts import retention
from deploy.parts.buckets import files_bucket, logs_bucket
from deploy.parts.cache import cache
from deploy.parts.secrets import model_identity, secrets_in_secrets_manager, settings_in_parameter_store
from deploy.stacks.network import NetworkStack


class DataStack(cdk.Stack):
    """`secret_arns` (name of the setting → complete ARN), `identity_arn`, `key_arn` and the names of both buckets.

    Whoever uses them imports by these: handing the constructs on would write the user's role into the key's policy, and
    tie both stacks in a knot.
    """

    def __init__(
        self, scope: Construct, name: str, *, settings: Environment, network: NetworkStack, env: cdk.Environment
    ) -> None:
        super().__init__(scope, name, env=env, termination_protection=settings.protected)
        key = kms.Key(
            self,
            "key",
            alias=naming.key_alias(settings),
            description=f"Data at rest of {settings.name}",
            enable_key_rotation=True,
            removal_policy=retention.of_data(settings),
        )
        self.key_arn: str = key.key_arn
        logs = logs_bucket(self, settings)
        files_bucket(self, settings, key=key, logs=logs)
        # The names rather than references: they are known, and tie nobody to this stack.
        self.logs_bucket_name: str = naming.bucket_name(settings, "logs")
        self.files_bucket_name: str = naming.bucket_name(settings, "files")
        redis_url = cache(self, settings, vpc=network.vpc, group=network.groups.cache, key=key)
        settings_in_parameter_store(self, settings)
        self.secret_arns: Mapping[str, str] = secrets_in_secrets_manager(self, settings, key, redis_url)
        self.identity_arn: str = model_identity(self, settings, key) if Answering.OLLAMA in settings.answering else ""
