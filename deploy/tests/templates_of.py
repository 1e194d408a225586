"""Reading templates in tests: one resource of a kind, and environments other than the three."""

from pathlib import Path
from typing import Any

from deploy import factory
from deploy.environment import Environment
from deploy.tests.conftest import Template

TAG = "0" * 40


def all_of(template: Template, kind: str) -> list[dict[str, Any]]:
    """Properties of all resources of a kind (`ECS::Service`)."""
    return [each.get("Properties", {}) for each in template["Resources"].values() if each["Type"] == f"AWS::{kind}"]


def listed(value: Any) -> list[Any]:
    """A policy's actions or resources: CloudFormation writes one alone without a list."""
    return value if isinstance(value, list) else [value]


def one(template: Template, kind: str) -> dict[str, Any]:
    """Properties of the only one."""
    (found,) = all_of(template, kind)
    return found


def named(template: Template, kind: str, beginning: str) -> tuple[str, dict[str, Any]]:
    """The logical id of the only one whose id begins so, and the whole resource."""
    ((found, resource),) = (
        (logical_id, each)
        for logical_id, each in template["Resources"].items()
        if each["Type"] == f"AWS::{kind}" and logical_id.startswith(beginning)
    )
    return found, resource


def container(template: Template, name: str) -> dict[str, Any]:
    """A container's definition, of whichever task it is in."""
    (found,) = (
        each
        for task in all_of(template, "ECS::TaskDefinition")
        for each in task["ContainerDefinitions"]
        if each["Name"] == name
    )
    return found


def written_out(env: Environment, directory: Path) -> dict[str, Template]:
    """Templates of an environment that is not one of the three, by the stack's short name."""
    return factory.written_out(factory.build(env, tag=TAG, outdir=str(directory)))
