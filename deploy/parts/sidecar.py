"""The collector beside the application, which hands its spans to X-Ray. Without it the task goes on."""

from pathlib import Path
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from deploy import naming
from deploy.environment import Environment

NAME: Final = "collector"
ENDPOINT: Final = "http://127.0.0.1:4318"
"""Where the application sends spans."""
MEMORY_MIB: Final = 256
STOP_TIMEOUT_S: Final = 10
"""It stops after the application (whose last spans it still takes), and has a batch or two to send then."""
CONFIGURATION: Final = Path(__file__).parent.parent / "collector" / "adot.yaml"


def own_image(scope: Construct, env: Environment, image: str) -> ecs.ContainerImage:
    """An image of our registry, by the address that `naming` gives it."""
    address, tag = image.rsplit(":", 1)
    repository = address.partition("/")[2]
    found = ecr.Repository.from_repository_attributes(
        scope,
        f"Repository{repository.rpartition('/')[2].title()}",
        repository_arn=f"arn:aws:ecr:{env.region}:{env.account}:repository/{repository}",
        repository_name=repository,
    )
    return ecs.ContainerImage.from_ecr_repository(found, tag)


def add_collector(task: ecs.TaskDefinition, env: Environment, *, logging: ecs.LogDriver) -> ecs.ContainerDefinition:
    """Adds it to the task."""
    return task.add_container(
        NAME,
        image=own_image(task, env, naming.collector_image(env)),
        essential=False,
        enable_restart_policy=True,
        # The configuration is text in the definition: no file and no bucket has to be there first.
        environment={"AOT_CONFIG_CONTENT": CONFIGURATION.read_text()},
        memory_limit_mib=MEMORY_MIB,
        user=naming.USER,
        readonly_root_filesystem=True,
        stop_timeout=cdk.Duration.seconds(STOP_TIMEOUT_S),
        logging=logging,
    )
