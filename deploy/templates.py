"""Templates of one environment as CloudFormation would get them, and what their references lead to. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from deploy import naming
from deploy.environment import Environment

Template = Mapping[str, Any]
Properties = Mapping[str, Any]


class Place(NamedTuple):
    """A resource: its stack's short name (`network`) and its logical id."""

    stack: str
    logical_id: str

    def __str__(self) -> str:
        return f"{self.stack}/{self.logical_id}"


class Unresolvable(ValueError):
    """A reference that leads nowhere in these templates."""


@dataclass(frozen=True, slots=True)
class Templates:
    """All templates of an environment, by the stack's short name."""

    env: Environment
    by_stack: Mapping[str, Template]

    def of_type(self, *types: str) -> Iterator[tuple[Place, Properties]]:
        """Every resource of these types, with its properties."""
        for stack, template in self.by_stack.items():
            for logical_id, resource in template.get("Resources", {}).items():
                if resource["Type"] in types:
                    yield Place(stack, logical_id), resource.get("Properties", {})

    def target(self, stack: str, value: Any) -> Place | str:
        """What a reference in a stack leads to: a resource, here or in another stack, or the word that stands there.

        Raises:
            Unresolvable: it is none of the references that our stacks are made of.
        """
        match value:
            case str():
                return value
            case {"Ref": str(logical_id)} | {"Fn::GetAtt": [str(logical_id), *_]}:
                if logical_id in self.by_stack[stack]["Resources"]:
                    return Place(stack, logical_id)
            case {"Fn::GetStackOutput": {"StackName": str(name), "OutputName": str(output)}}:
                other = name.removeprefix(naming.stack_name(self.env, ""))
                if other in self.by_stack and output in self.by_stack[other].get("Outputs", {}):
                    return self.target(other, self.by_stack[other]["Outputs"][output]["Value"])
        raise Unresolvable(f"{stack}: {value!r}")
