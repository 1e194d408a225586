"""Task definitions: which release one runs, and the same one with another release's image.

CloudFormation sets a definition that it has replaced to INACTIVE. It can still be read, and no service can be given it:
who wants it back registers a copy.
"""

import copy
from typing import Any

from deploy import naming
from deploy.commands.account import Refused


def own_container(definition: dict[str, Any]) -> dict[str, Any]:
    """The container that runs the API's image.

    Raises:
        Refused: none does.
    """
    for container in definition["containerDefinitions"]:
        if f"/{naming.API_REPOSITORY}:" in container["image"]:
            found: dict[str, Any] = container
            return found
    raise Refused(f"{definition['taskDefinitionArn']} has no container of {naming.API_REPOSITORY}.")


def tag_of(definition: dict[str, Any]) -> str:
    """The release that it runs."""
    return str(own_container(definition)["image"]).rpartition(":")[2]


def definition_of(ecs: Any, name: str) -> dict[str, Any]:
    """By ARN or `family:revision`, or the newest active one of a family. INACTIVE ones are found by ARN, too."""
    found: dict[str, Any] = ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
    return found


def copy_of(ecs: Any, definition: dict[str, Any], *, tag: str) -> str:
    """Register the same for the release `tag`; the ARN of the new revision."""
    fields = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    # What AWS adds when it describes one (its revision, who registered it) is not for registering.
    same = {name: copy.deepcopy(value) for name, value in definition.items() if name in fields}
    own = own_container(same | {"taskDefinitionArn": definition["taskDefinitionArn"]})
    own["image"] = f"{own['image'].rpartition(':')[0]}:{tag}"
    for setting in own.get("environment", ()):
        if setting["name"] == "ELOQUENT_RELEASE":
            setting["value"] = tag
    return str(ecs.register_task_definition(**same)["taskDefinition"]["taskDefinitionArn"])


def active(ecs: Any, definition: dict[str, Any], *, tag: str = "") -> dict[str, Any]:
    """The same as a service can be given it: itself, or a copy of one that is INACTIVE or runs another release."""
    if definition["status"] == "ACTIVE" and tag in {"", tag_of(definition)}:
        return definition
    return definition_of(ecs, copy_of(ecs, definition, tag=tag or tag_of(definition)))
