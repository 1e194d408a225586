"""An account of prod in which nothing is real: moto, with an ECS of our own (`cluster.py`)."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import boto3

from deploy.commands.account import Account
from deploy.environment import Environment
from deploy.environments import PROD
from tests.deploy.cluster import NETWORK, Cluster

ACCOUNT = "123456789012"
"""Moto's own."""


@dataclass
class Cloud:
    """The account, and what became of it."""

    cluster: Cluster
    said: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    instead: dict[str, Any] = field(default_factory=dict)
    """Service → who stands in for moto."""
    environment: Environment = field(default_factory=lambda: replace(PROD, account=ACCOUNT))

    def client(self, service: str, region: str = "eu-central-1") -> Any:
        """A client of moto's."""
        return boto3.client(service, region_name=region)

    @property
    def account(self) -> Account:
        """As the commands get it."""

        def make(service: str, region: str) -> Any:
            return self.cluster if service == "ecs" else self.instead.get(service) or self.client(service, region)

        return Account(self.environment, make=make, pause=self.pauses.append, say=self.said.append)

    def migration_stack(self) -> None:
        """The stack that says where a task runs that runs once."""
        network = NETWORK["awsvpcConfiguration"]
        outputs = {"MigrationSubnets": ",".join(network["subnets"]), "MigrationGroup": network["securityGroups"][0]}
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
        name = "eloquent-prod-migration"
        self.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))

    def push(self, tag: str, repository: str = "eloquent/api") -> None:
        """Put an image into the registry."""
        ecr = self.client("ecr")
        known = {each["repositoryName"] for each in ecr.describe_repositories()["repositories"]}
        if repository not in known:
            ecr.create_repository(repositoryName=repository)
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": {"digest": f"sha256:{tag}"}, "layers": []}
        ecr.put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag)
