"""What a person does with a conversation, step by step, and what must be seen then: the tree in plain Python."""

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Self

from hypothesis import strategies as st

Kind = Literal["send", "go on from", "edit", "regenerate", "show"]
KINDS: Final[tuple[Kind, ...]] = ("send", "go on from", "edit", "regenerate", "show")


class Step(NamedTuple):
    """One thing that a person does. `choice` picks the message that it is done to, among those that it can be."""

    kind: Kind
    choice: int


STEPS: Final = st.builds(Step, st.sampled_from(KINDS), st.integers(0, 1_000_000))


@dataclass
class Node:
    """A message. `number` counts the messages of the tree as they were made: it is also what the message says."""

    number: int
    parent: Self | None
    is_answer: bool
    children: list[Self] = field(default_factory=list)

    def path(self) -> list[Self]:
        """The branch that ends here, oldest first."""
        return [*(self.parent.path() if self.parent else []), self]

    def newest_below(self) -> Self:
        """The message made last of this one and all below it."""
        return max((self, *(child.newest_below() for child in self.children)), key=lambda node: node.number)


@dataclass
class Conversation:
    """A tree that only grows, and the branch of it that is shown."""

    nodes: list[Node] = field(default_factory=list)
    roots: list[Node] = field(default_factory=list)
    leaf: Node | None = None

    def beside(self, node: Node) -> list[Node]:
        """The node and its siblings, in the order in which they were made."""
        return node.parent.children if node.parent else self.roots

    def target(self, step: Step) -> Node | None:
        """What the step is done to; None when there is nothing yet, and for what needs nothing."""
        wanted = {
            "send": [],
            "go on from": [node for node in self.nodes if node.is_answer],
            "edit": [node for node in self.nodes if not node.is_answer],
            "regenerate": [node for node in self.nodes if node.is_answer],
            "show": self.nodes,
        }[step.kind]
        return wanted[step.choice % len(wanted)] if wanted else None

    def exchange(self, kind: Kind, target: Node | None) -> tuple[Node, Node] | None:
        """Do it: the question and the answer that it makes, the first an old one for `regenerate`; None for `show`."""
        if kind == "show":
            self.leaf = target.newest_below() if target else None
            return None
        if kind == "regenerate" and target is not None and target.parent is not None:
            question = target.parent
        else:
            parent = target.parent if kind == "edit" and target else target or self.leaf
            question = self._grown(parent, is_answer=False)
        self.leaf = self._grown(question, is_answer=True)
        return question, self.leaf

    def _grown(self, parent: Node | None, *, is_answer: bool) -> Node:
        node = Node(len(self.nodes), parent, is_answer)
        self.nodes.append(node)
        (parent.children if parent else self.roots).append(node)
        return node
