"""What fits a window: whole turns, newest kept, nothing left out without being named."""

from datetime import UTC, datetime

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from chat.context import estimated_tokens, fit
from chat.types import Message, MessageStatus, Role


def branch_of(texts: list[str]) -> list[Message]:
    """A branch of alternating turns with these texts, the user's last."""
    branch: list[Message] = []
    for number, text in enumerate(texts):
        users_turn = (len(texts) - number) % 2 == 1
        branch.append(
            Message(
                id=ObjectId(),
                conversation_id=ObjectId(),
                user_id=ObjectId(),
                parent_id=branch[-1].id if branch else None,
                role=Role.USER if users_turn else Role.ASSISTANT,
                parts=[{"type": "text", "text": text}],
                text=text,
                status=MessageStatus.COMPLETE,
                created_at=datetime.now(UTC),
            )
        )
    return branch


BRANCHES = st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=30).map(branch_of)


@given(BRANCHES, st.integers(1, 4000), st.sampled_from(["", "Be brief."]))
def test_the_newest_message_and_the_system_prompt_always_stay(
    branch: list[Message], window: int, system_prompt: str
) -> None:
    prompt = fit(system_prompt, branch, window)
    assert prompt.messages[-1].content == branch[-1].text
    assert (prompt.messages[0].role == "system") == bool(system_prompt)


@given(BRANCHES, st.integers(1, 4000))
def test_what_is_left_out_is_the_oldest_and_is_named(branch: list[Message], window: int) -> None:
    prompt = fit("", branch, window)
    dropped = len(prompt.dropped)
    assert list(prompt.dropped) == [message.id for message in branch[:dropped]]
    assert [message.content for message in prompt.messages] == [message.text for message in branch[dropped:]]


@given(BRANCHES, st.integers(1, 4000))
def test_the_prompt_is_within_its_limit_or_a_single_message(branch: list[Message], window: int) -> None:
    prompt = fit("", branch, window)
    assert prompt.used <= prompt.limit or len(prompt.messages) == 1
    assert prompt.used == sum(estimated_tokens(message.content) for message in prompt.messages)
    assert prompt.messages[0].role == "user" or not prompt.dropped


def test_an_answer_that_failed_without_a_word_is_passed_over() -> None:
    branch = branch_of(["question", "", "again"])
    assert [message.content for message in fit("", branch, 4000).messages] == ["question", "again"]
