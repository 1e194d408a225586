"""Trees grown by random sends, edits, other answers and choices of branch: purely, and through the API."""

from typing import Any

import msgspec
from bson import ObjectId
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chat import tree
from chat.asking import Ask, empty_answer_of, new_run, question_of
from chat.types import Conversation, Link, Message
from eloquent.foundation.clock import now
from inference.providers.scripted import saying
from tests.chat.conftest import SCRIPTED, LanguageModel
from tests.chat.trees import STEPS, Node, Step
from tests.chat.trees import Conversation as Expected
from tests.people import Person


class Grown:
    """The tree as our own pure functions grow and read it: the messages as values, with what the index would give."""

    def __init__(self) -> None:
        self.conversation = Conversation(
            id=ObjectId(),
            user_id=ObjectId(),
            title="",
            model="",
            system_prompt="",
            pinned=False,
            archived=False,
            leaf_id=None,
            message_count=0,
            created_at=now(),
            updated_at=now(),
        )
        self.messages: dict[ObjectId, Message] = {}

    def path(self) -> list[Message]:
        """The branch shown."""
        return self._path_to(self.conversation.leaf_id)

    def ask(self, ask: Ask, parent_id: ObjectId | None) -> None:
        """Grow it as a run does, behind the parent or beside the answer to the question that is the parent."""
        branch = self._path_to(parent_id)
        regenerated = branch[-1] if ask.regenerates else None
        run = new_run(self.conversation, branch, regenerated, model=SCRIPTED, ask=ask)
        made = [empty_answer_of(run, {})]
        if regenerated is None:
            made.insert(0, question_of(run, branch, ask))
        for message in made:
            assert message.id not in self.messages, "nothing is overwritten"
            self.messages[message.id] = message
        self.show(run.message_id)

    def show(self, leaf_id: ObjectId) -> None:
        """Make this the end of the branch shown."""
        self.conversation = msgspec.structs.replace(self.conversation, leaf_id=leaf_id)

    def links(self, below: ObjectId | None = None) -> list[Link]:
        """What `store.links_below` reads: by parent, then by id."""
        found = [Link(message.id, message.parent_id) for message in self.messages.values()]
        return sorted(
            (link for link in found if below is None or (link.parent_id is not None and link.parent_id >= below)),
            key=lambda link: (link.parent_id or ObjectId(b"\0" * 12), link.id),
        )

    def _path_to(self, leaf_id: ObjectId | None) -> list[Message]:
        if leaf_id is None:
            return []
        path, missing = tree.path_up(self.messages, leaf_id, 1_000)
        assert missing is None
        return path


@given(st.lists(STEPS, max_size=30))
def test_a_tree_is_what_a_plain_model_of_it_says(steps: list[Step]) -> None:
    expected, grown = Expected(), Grown()
    ids: dict[int, ObjectId] = {}
    for step in steps:
        target = expected.target(step)
        if target is None and step.kind != "send":
            continue
        before = dict(grown.messages)
        if step.kind == "show" and target is not None:
            grown.show(tree.newest_leaf(ids[target.number], grown.links(ids[target.number])))
        else:
            grown.ask(*_asked(step, target, ids, grown.conversation.leaf_id))
        made = expected.exchange(step.kind, target)
        if made is not None:
            question, answer = made
            path = grown.path()
            ids[question.number], ids[answer.number] = path[-2].id, path[-1].id
        assert before.items() <= grown.messages.items(), "nothing is overwritten"
        _assert_same(expected, grown, ids)


def _asked(
    step: Step, target: Node | None, ids: dict[int, ObjectId], leaf_id: ObjectId | None
) -> tuple[Ask, ObjectId | None]:
    parts = [{"type": "text", "text": "x"}]
    if target is None:
        return Ask(parts=parts), leaf_id
    parent_id = None if target.parent is None else ids[target.parent.number]
    if step.kind == "edit":
        return Ask(parts=parts, edits=ids[target.number]), parent_id
    if step.kind == "regenerate":
        return Ask(regenerates=ids[target.number]), parent_id
    return Ask(parts=parts, parent_id=ids[target.number]), ids[target.number]


def _assert_same(expected: Expected, grown: Grown, ids: dict[int, ObjectId]) -> None:
    assert len(grown.messages) == len(expected.nodes)
    shown = expected.leaf.path() if expected.leaf else []
    assert [message.id for message in grown.path()] == [ids[node.number] for node in shown]
    links = grown.links()
    places = tree.places([ids[node.number] for node in expected.nodes], links)
    for node in expected.nodes:
        beside = [ids[sibling.number] for sibling in expected.beside(node)]
        place = places[ids[node.number]]
        assert (place.count, beside[place.index]) == (len(beside), ids[node.number])
        assert place.previous_id == (beside[place.index - 1] if place.index else None)
        assert place.next_id == (beside[place.index + 1] if place.index + 1 < len(beside) else None)
        below = grown.links(ids[node.number])
        assert tree.newest_leaf(ids[node.number], below) == ids[node.newest_below().number]
        parent_id = None if node.parent is None else ids[node.parent.number]
        on_the_way = next((ids[sibling.number] for sibling in expected.beside(node) if sibling in shown), None)
        assert tree.child_on_the_way_to(grown.conversation.leaf_id, parent_id, links) == on_the_way


class Talk:
    """A real conversation beside what is expected of it; `ids` and `texts` are the messages' by their numbers."""

    def __init__(self, ann: Person, model: LanguageModel, conversation: str) -> None:
        self.ann = ann
        self.model = model
        self.conversation = conversation
        self.expected = Expected()
        self.ids: dict[int, str] = {}
        self.texts: dict[int, str] = {}

    async def take(self, step: Step) -> None:
        """Do the step, here and there, and compare."""
        target = self.expected.target(step)
        if target is None and step.kind != "send":
            return
        if step.kind == "show" and target is not None:
            await self.ann.ok("POST", f"/messages/{self.ids[target.number]}/show")
            self.expected.exchange("show", target)
        else:
            await self._ask(step, target)
        await self.compare()

    async def _ask(self, step: Step, target: Node | None) -> None:
        asks, answers = f"question {len(self.ids)}", f"answer {len(self.ids)}"
        self.model.script = saying(answers)
        body: dict[str, Any] = {} if step.kind == "regenerate" else {"parts": [{"type": "text", "text": asks}]}
        path = f"/conversations/{self.conversation}/runs"
        if step.kind == "go on from" and target is not None:
            body["parent_id"] = self.ids[target.number]
        elif target is not None:
            path = f"/messages/{self.ids[target.number]}/{step.kind}"
        run = await self.ann.at_rest((await self.ann.ok("POST", path, 202, json=body))["id"])
        made = self.expected.exchange(step.kind, target)
        assert made is not None
        question, answer = made
        self.ids |= {question.number: run["user_message_id"], answer.number: run["message_id"]}
        self.texts = {question.number: asks, **self.texts, answer.number: answers}
        told = [message.content for message in self.model.provider.requests[-1].messages]
        assert told == [self.texts[node.number] for node in question.path()], "the model is shown its own branch"

    async def compare(self) -> None:
        """The branch shown, with every message's place."""
        shown = self.expected.leaf.path() if self.expected.leaf else []
        path = f"/conversations/{self.conversation}/messages"
        page = await self.ann.ok("GET", path, params={"siblings": "true", "limit": 100})
        assert [(item["id"], item["parts"][0]["text"], item["siblings"]) for item in page["items"]] == [
            (self.ids[node.number], self.texts[node.number], self._place(node)) for node in shown
        ]

    async def reach_everything(self) -> None:
        """Every message is found by its branch, and says beside whom it stands."""
        for node in self.expected.nodes:
            path = f"/messages/{self.ids[node.number]}"
            await self.ann.ok("POST", f"{path}/show")
            self.expected.exchange("show", node)
            await self.compare()
            siblings = await self.ann.ok("GET", f"{path}/siblings")
            assert [(item["id"], item["shown"]) for item in siblings["items"]] == [
                (self.ids[sibling.number], sibling is node) for sibling in self.expected.beside(node)
            ]

    def _place(self, node: Node) -> dict[str, Any]:
        beside = [self.ids[sibling.number] for sibling in self.expected.beside(node)]
        index = beside.index(self.ids[node.number])
        return {
            "count": len(beside),
            "index": index,
            "previous_id": beside[index - 1] if index else None,
            "next_id": beside[index + 1] if index + 1 < len(beside) else None,
        }


@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.generate],  # shrinking would ask the server for minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=3, max_size=9))
async def test_a_conversation_is_what_a_plain_model_of_it_says(
    ann: Person, model: LanguageModel, steps: list[Step]
) -> None:
    talk = Talk(ann, model, await ann.conversation())
    for step in steps:
        await talk.take(step)
    await talk.reach_everything()
