"""Titles from first words, and what is made of a language model's proposal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.titles import LONGEST_FIRST_TITLE, LONGEST_PROPOSED_TITLE, first_title, proposed_title

QUESTION = "Why is the sky blue?"
ANSWER = "Because of Rayleigh scattering: the air scatters blue sunlight more than red. I'm here to help."
ABOUT = f"{QUESTION}\n{ANSWER}"


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


@pytest.mark.parametrize(
    "reply",
    [
        "Blue Sky Scattering",
        '"Blue Sky Scattering"',
        "\u201cBlue Sky Scattering\u201d",
        "**Blue Sky Scattering**",
        "# Blue Sky Scattering",
        "Title: Blue Sky Scattering",
        '**Title:** "Blue Sky Scattering".',
        "Sure! Here's a short title:\n\n*Blue Sky Scattering*\n\nI hope you like it.",
        "<think>The user wants a title.\nSomething short.</think>\n\nBlue Sky Scattering",
        "  Blue \t Sky\u2028  Scattering\u0000.\n",
        "\u202eBlue Sky\u202c Scattering",
    ],
)
def test_a_proposal_loses_its_decoration(reply: str) -> None:
    reply = reply.replace("\u2028", " ")
    assert proposed_title(reply, about=ABOUT) == "Blue Sky Scattering"


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "\n\n",
        "...",
        "Title:",
        "<think>The sky is blue",
        "I'm here to help with the blue sky.",
        "Sure, the blue sky",
        "The sky appears blue because the air scatters blue sunlight more than red",
        "Blue sky and scattering " * 10,
        "sky sky sky blue blue sky",
        "L'Étoile, la Marseillaise",
        "A Wonderful World of Adventure Tales",
    ],
)
def test_what_is_no_title_of_this_conversation_is_refused(reply: str) -> None:
    assert proposed_title(reply, about=ABOUT) is None


@pytest.mark.parametrize(
    ("title", "about"),
    [
        ("Почему небо голубое", "Почему небо синее?"),
        ("天空为什么是蓝色的", "为什么天空是蓝色的？"),
        ("하늘이 파란 이유", "하늘은 왜 파란가요? 이유를 알려 주세요."),
        ("Himmelsblau erklärt", "Kannst du mir das Himmelsblau erklären?"),
        ("HTTP 502 beim Upload", "Warum kommt 502 bei Uploads über HTTP?"),
    ],
)
def test_a_title_in_any_writing_is_recognised(title: str, about: str) -> None:
    assert proposed_title(title, about=about) == title


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_model_says_a_title_is_one_clean_bounded_line(reply: str, about: str) -> None:
    title = proposed_title(reply, about=about + reply)
    if title is not None:
        assert 0 < len(title) <= LONGEST_PROPOSED_TITLE
        assert title == " ".join(title.split())
        assert title.isprintable() or "\u200d" in title
        assert proposed_title(title, about=title) in {title, None}
