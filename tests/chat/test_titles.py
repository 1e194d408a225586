"""Titles from first words."""

from hypothesis import given
from hypothesis import strategies as st

from chat.titles import LONGEST_FIRST_TITLE, first_title


@given(st.text(max_size=400))
def test_a_title_is_one_short_line_from_the_beginning(text: str) -> None:
    title = first_title(text)
    assert len(title) <= LONGEST_FIRST_TITLE
    assert "\n" not in title
    assert " ".join(text.split()).startswith(title.removesuffix("…"))
    assert bool(title) == bool(text.split())


def test_a_long_question_is_cut_at_a_word() -> None:
    text = "Please explain to me, slowly and with examples, how rainbows come about"
    assert first_title(text) == "Please explain to me, slowly and with examples, how…"
