"""Walking up the tree of messages, and ids that make the walk possible."""

import random
from datetime import UTC, datetime
from itertools import pairwise

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from chat.tree import path_up
from chat.types import Message, MessageStatus, Role
from eloquent.foundation.ids import id_after

Tree = dict[ObjectId, Message]


def node(parent_id: ObjectId | None) -> Message:
    """A message below the parent."""
    return Message(
        id=id_after(parent_id),
        conversation_id=ObjectId(),
        user_id=ObjectId(),
        parent_id=parent_id,
        role=Role.USER,
        parts=[],
        text="",
        status=MessageStatus.COMPLETE,
        created_at=datetime.now(UTC),
    )


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A tree of up to 40 messages grown at random."""
    tree: Tree = {}
    for number in range(draw(st.integers(1, 40))):
        parent = None if number == 0 else draw(st.sampled_from(sorted(tree)))
        message = node(parent)
        tree[message.id] = message
    return tree


@given(trees(), st.data(), st.integers(1, 50))
def test_a_path_is_unbroken_and_ends_at_the_leaf(tree: Tree, data: st.DataObject, limit: int) -> None:
    leaf = data.draw(st.sampled_from(sorted(tree)))
    path, missing = path_up(tree, leaf, limit)
    assert missing is None
    assert path[-1].id == leaf
    assert all(child.parent_id == parent.id for parent, child in pairwise(path))
    assert path[0].parent_id is None or len(path) == limit


@given(trees(), st.data())
def test_a_missing_ancestor_is_named(tree: Tree, data: st.DataObject) -> None:
    leaf = data.draw(st.sampled_from(sorted(tree)))
    whole, _ = path_up(tree, leaf, 100)
    gone = data.draw(st.sampled_from(whole)).id
    path, missing = path_up({key: value for key, value in tree.items() if key != gone}, leaf, 100)
    assert missing == gone
    assert path == whole[whole.index(next(m for m in whole if m.id == gone)) + 1 :]


@given(trees())
def test_every_child_sorts_after_its_parent(tree: Tree) -> None:
    assert all(message.parent_id is None or message.id > message.parent_id for message in tree.values())


def test_a_child_sorts_after_a_parent_that_another_process_made_in_the_same_second() -> None:
    now = ObjectId()
    late_in_this_second = ObjectId(now.binary[:4] + b"\xff" * 8)
    assert id_after(late_in_this_second) > late_in_this_second
    in_the_future = ObjectId(b"\x7f\xff\xff\xfe" + random.randbytes(8))
    assert id_after(in_the_future) > in_the_future
