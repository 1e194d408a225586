"""What fits a window: whole turns, newest kept, nothing left out without being named."""

from datetime import UTC, datetime

import pytest
from bson import ObjectId
from hypothesis import assume, given
from hypothesis import strategies as st

from chat.context import Prompt, fit
from chat.errors import MessageTooLong
from chat.types import Message, MessageStatus, Role
from inference.tokens import estimated_tokens


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


def fitted(branch: list[Message], window: int, system_prompt: str = "") -> Prompt:
    """The prompt, for a branch whose last message fits the window."""
    try:
        return fit(system_prompt, branch, window)
    except MessageTooLong:
        assume(False)
        raise


BRANCHES = st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=30).map(branch_of)


@given(BRANCHES, st.integers(1, 4000), st.sampled_from(["", "Be brief."]))
def test_the_newest_message_and_the_system_prompt_always_stay(
    branch: list[Message], window: int, system_prompt: str
) -> None:
    prompt = fitted(branch, window, system_prompt)
    assert prompt.messages[-1].content == branch[-1].text
    assert (prompt.messages[0].role == "system") == bool(system_prompt)


@given(BRANCHES, st.integers(1, 4000))
def test_what_is_left_out_is_the_oldest_and_is_named(branch: list[Message], window: int) -> None:
    prompt = fitted(branch, window)
    dropped = len(prompt.dropped)
    assert list(prompt.dropped) == [message.id for message in branch[:dropped]]
    assert [message.content for message in prompt.messages] == [message.text for message in branch[dropped:]]
    assert prompt.kept_from == branch[dropped].id
    assert prompt.told() == {
        "used": prompt.used,
        "limit": prompt.limit,
        "dropped": dropped,
        "kept_from": str(branch[dropped].id),
        "more_dropped": False,
    }


@given(BRANCHES, st.integers(1, 4000))
def test_the_prompt_is_within_its_limit_or_a_single_message(branch: list[Message], window: int) -> None:
    prompt = fitted(branch, window)
    assert prompt.used <= prompt.limit or len(prompt.messages) == 1
    assert prompt.used <= window
    assert prompt.used == sum(estimated_tokens(message.content) + 6 for message in prompt.messages)
    assert prompt.messages[0].role == "user" or not prompt.dropped


def test_an_answer_that_failed_without_a_word_is_passed_over() -> None:
    branch = branch_of(["question", "", "again"])
    assert [message.content for message in fit("", branch, 4000).messages] == ["question", "again"]


@given(BRANCHES, st.integers(1, 400), st.sampled_from(["", "Be brief. " * 20]))
def test_only_a_message_that_alone_is_larger_than_the_window_is_refused(
    branch: list[Message], window: int, system_prompt: str
) -> None:
    alone = estimated_tokens(branch[-1].text) + 6 + (estimated_tokens(system_prompt) + 6 if system_prompt else 0)
    if alone <= window:
        assert fit(system_prompt, branch, window).used <= window
        return
    with pytest.raises(MessageTooLong) as refused:
        fit(system_prompt, branch, window)
    assert refused.value.extra == {"tokens": alone, "window": window}


def test_a_message_between_the_limit_and_the_window_is_sent_and_said_to_be_over() -> None:
    [question] = branch_of(["word " * 150])
    prompt = fit("", [question], 200)
    assert prompt.limit < prompt.used <= 200


@given(BRANCHES, st.integers(200, 4000))
def test_a_server_that_counts_as_many_tokens_as_there_are_words_is_believed(branch: list[Message], window: int) -> None:
    prompt = fitted(branch, window)
    words = sum(len(message.content.split()) for message in prompt.messages)
    assert not prompt.was_truncated(max(words, 1))
    assert not prompt.was_truncated(None)


def test_a_server_that_counts_far_fewer_tokens_than_there_are_words_left_something_out() -> None:
    prompt = fit("", branch_of(["word " * 300, "and " * 200, "so?"]), 4000)
    assert prompt.was_truncated(0)
    assert prompt.was_truncated(200)
    assert not prompt.was_truncated(450)


@pytest.mark.parametrize("text", ["人" * 3000, "あいうえお" * 600], ids=["Chinese", "Japanese"])
def test_a_text_without_spaces_is_counted_by_its_characters(text: str) -> None:
    prompt = fit("", branch_of([text]), 8000)
    assert prompt.was_truncated(400)
    assert not prompt.was_truncated(750)


@pytest.mark.parametrize("text", [" " * 9000, "=" * 9000, "a" * 9000, "\n" * 3000], ids=repr)
def test_repetition_that_few_tokens_hold_is_no_alarm(text: str) -> None:
    assert not fit("", branch_of([text + "?"]), 8000).was_truncated(20)
