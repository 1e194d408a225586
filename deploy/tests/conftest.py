"""All environments, written out once a run: `templates[env][stack]` is a template as CloudFormation would get it."""

from pathlib import Path

import pytest

from deploy.environments import ENVIRONMENTS
from deploy.factory import Platform, Template, build, written_out

OUT = Path(__file__).parent.parent / "cdk.out"
"""Where the templates of the run lie, a directory an environment; the rehearsals of the application read them there."""


@pytest.fixture(scope="session")
def platforms() -> dict[str, Platform]:
    """Every environment, built, by its name; `templates` writes them out."""
    return {name: build(env, tag="0" * 40, outdir=str(OUT / name)) for name, env in ENVIRONMENTS.items()}


@pytest.fixture(scope="session")
def templates(platforms: dict[str, Platform]) -> dict[str, dict[str, Template]]:
    """By the environment's and the stack's short name (`network`)."""
    return {name: written_out(platform) for name, platform in platforms.items()}
