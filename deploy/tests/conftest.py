"""All environments, written out once a run: `templates[env][stack]` is a template as CloudFormation would get it."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy import naming
from deploy.environments import ENVIRONMENTS
from deploy.factory import Platform, build

Template = dict[str, Any]

OUT = Path(__file__).parent.parent / "cdk.out"
"""Where the templates of the run lie, a directory an environment; the rehearsals of the application read them there."""


@pytest.fixture(scope="session")
def platforms() -> dict[str, Platform]:
    """Every environment, built and written out, by its name."""
    built = {name: build(env, tag="0" * 40, outdir=str(OUT / name)) for name, env in ENVIRONMENTS.items()}
    for platform in built.values():
        platform.app.synth(skip_validation=True)
    return built


@pytest.fixture(scope="session")
def templates(platforms: dict[str, Platform]) -> dict[str, dict[str, Template]]:
    """By the environment's and the stack's short name (`network`)."""
    return {
        name: {
            stack.stack_name.removeprefix(naming.stack_name(platform.environment, "")): json.loads(
                (OUT / name / stack.template_file).read_text()
            )
            for stack in platform.stacks
        }
        for name, platform in platforms.items()
    }
