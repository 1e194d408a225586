"""An application of CDK with all stacks of one environment, in the order in which they are brought up."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import aws_cdk as cdk

from deploy import naming
from deploy.environment import EDGE_REGION, Environment
from deploy.stacks.api import ApiStack
from deploy.stacks.data import DataStack
from deploy.stacks.delivery import DeliveryStack
from deploy.stacks.edge import EdgeStack
from deploy.stacks.frontend import FrontendStack
from deploy.stacks.migration import MigrationStack
from deploy.stacks.model import ModelStack, answers_itself
from deploy.stacks.network import NetworkStack
from deploy.stacks.observability import EdgeAlarmsStack, ObservabilityStack, watches_edge
from deploy.stacks.registry import RegistryStack

Template: TypeAlias = dict[str, Any]

HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Platform:
    """What was made of an environment."""

    app: cdk.App
    environment: Environment
    stacks: tuple[cdk.Stack, ...]


def written_out(platform: Platform) -> dict[str, Template]:
    """Write the environment's templates, with no rule asked, and read them: by the stack's short name (`network`)."""
    platform.app.synth(skip_validation=True)
    return {
        stack.stack_name.removeprefix(naming.stack_name(platform.environment, "")): json.loads(
            (Path(platform.app.outdir) / stack.template_file).read_text()
        )
        for stack in platform.stacks
    }


def context() -> dict[str, Any]:
    """CDK's flags. Without the command line nobody reads `cdk.json`, and the same stacks become other templates."""
    flags: dict[str, Any] = json.loads((HERE / "cdk.json").read_text())["context"]
    return flags


def build(env: Environment, *, tag: str = "bootstrap", outdir: str | None = None) -> Platform:
    """Describe everything of the environment; nothing is looked up, and nothing written before `app.synth()`.

    Args:
        env: what to build.
        tag: of the images that run; one that is there.
        outdir: where `synth` writes.
    """
    # Without CDK's own metadata, which the command line would add: what is tested is what is deployed.
    app = cdk.App(context=context(), outdir=outdir, analytics_reporting=False)
    # With a real account CDK asks AWS for its zones, even where they are named: this is the answer, given beforehand.
    app.node.set_context(f"availability-zones:account={env.account}:region={env.region}", list(env.zones))
    here = cdk.Environment(account=env.account, region=env.region)
    edge = cdk.Environment(account=env.account, region=EDGE_REGION)

    def named(stack: str) -> str:
        return naming.stack_name(env, stack)

    registry = RegistryStack(app, named("registry"), settings=env, env=here)
    network = NetworkStack(app, named("network"), settings=env, env=here)
    data = DataStack(app, named("data"), settings=env, network=network, env=here)
    stacks = [registry, network, data]
    if answers_itself(env):
        stacks += [ModelStack(app, named("model"), settings=env, network=network, data=data, env=here)]
    migration = MigrationStack(app, named("migration"), settings=env, network=network, data=data, tag=tag, env=here)
    api = ApiStack(app, named("api"), settings=env, network=network, data=data, migration=migration, tag=tag, env=here)
    stacks += [migration, api]
    front = EdgeStack(app, named("edge"), settings=env, api=api, env=edge)
    stacks += [front, FrontendStack(app, named("frontend"), settings=env, env=here)]
    stacks += [ObservabilityStack(app, named("observability"), settings=env, api=api, env=here)]
    if watches_edge(env):
        stacks += [EdgeAlarmsStack(app, named("edge-alarms"), settings=env, edge=front, env=edge)]
    stacks += [DeliveryStack(app, named("delivery"), settings=env, migration=migration, env=here)]
    for stack in stacks:
        cdk.Tags.of(stack).add("service", naming.SERVICE)
        cdk.Tags.of(stack).add("environment", env.name)
    return Platform(app, env, tuple(stacks))
