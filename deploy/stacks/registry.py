"""Our own registry of images: it comes before anything that runs, and everything that runs comes from it."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from deploy import naming
from deploy.environment import Answering, Environment
from deploy.parts import retention

_KEPT: Final = 30
"""Images of each: as many releases can be gone back."""
_UNTAGGED_DAYS: Final = 7


class RegistryStack(cdk.Stack):
    """A repository an image. A tag that was pushed stays what it is, and each image is scanned when it comes.

    They bear no environment's name: each environment has an account of its own, or at least a region. Two in one
    account and region cannot both be made.
    """

    def __init__(self, scope: Construct, name: str, *, settings: Environment, env: cdk.Environment) -> None:
        super().__init__(scope, name, env=env, termination_protection=settings.protected)
        repositories = [naming.API_REPOSITORY, naming.COLLECTOR_REPOSITORY]
        if Answering.OLLAMA in settings.answering:
            repositories.append(naming.OLLAMA_REPOSITORY)
        for repository in repositories:
            ecr.Repository(
                self,
                repository.rpartition("/")[2],
                repository_name=repository,
                image_tag_mutability=ecr.TagMutability.IMMUTABLE,
                image_scan_on_push=True,
                encryption=ecr.RepositoryEncryption.AES_256,
                removal_policy=retention.of_data(settings),
                empty_on_delete=not settings.protected,
                lifecycle_rules=[
                    ecr.LifecycleRule(
                        rule_priority=1,
                        tag_status=ecr.TagStatus.UNTAGGED,
                        max_image_age=cdk.Duration.days(_UNTAGGED_DAYS),
                    ),
                    # Tagged ones alone: a release is an index with an image and its attestation, which count as well.
                    ecr.LifecycleRule(
                        rule_priority=2,
                        tag_status=ecr.TagStatus.TAGGED,
                        tag_pattern_list=["*"],
                        max_image_count=_KEPT,
                    ),
                ],
            )
