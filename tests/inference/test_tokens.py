"""Counting tokens without a vocabulary, held against what real vocabularies count.

`token_counts.json` has a text of each kind with the counts of seven vocabularies; the texts of the languages are the
first article of the Universal Declaration of Human Rights.
"""

from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.tokens import estimated_tokens, fewest_tokens

COUNTED: Final[dict[str, Any]] = orjson.loads((Path(__file__).parent / "token_counts.json").read_bytes())
# Those of models that are chosen for more than one language.
OF_TODAY: Final = ("llama-3", "qwen-2.5", "qwen-3.6", "tekken", "cl100k")
CLOSE: Final = ("English", "French", "Spanish", "German", "Python", "JSON", "table", "log", "emoji", "ones")
DENSE: Final = ("base64", "laughter")
REPETITIVE: Final = ("rule", "repeated")

TEXTS = (
    st.text(max_size=400)
    | st.text("ab \n1.人あ한éжα😀\x1c\x0b\u3000\x85", max_size=400)
    | st.text("ab \n\x1d\f1", max_size=400)
)


def shares(kind: str) -> list[float]:
    """What each of today's vocabularies counts, as a share of the estimate."""
    counted = COUNTED[kind]
    return [counted["tokens"][name] / estimated_tokens(counted["text"]) for name in OF_TODAY]


@pytest.mark.parametrize("kind", CLOSE)
def test_the_estimate_is_close_for_common_languages_and_code(kind: str) -> None:
    assert min(shares(kind)) > 0.65
    assert max(shares(kind)) < 1.2


@pytest.mark.parametrize("kind", sorted(set(COUNTED) - set(CLOSE) - set(DENSE) - set(REPETITIVE)))
def test_the_estimate_is_of_the_right_size_for_every_script(kind: str) -> None:
    assert min(shares(kind)) > 0.25
    assert max(shares(kind)) < 1.45


@pytest.mark.parametrize("kind", DENSE)
def test_text_that_is_no_language_is_at_most_two_and_a_half_times_as_many(kind: str) -> None:
    assert max(shares(kind)) < 2.5


@pytest.mark.parametrize("kind", sorted(COUNTED))
def test_no_vocabulary_counts_fewer_than_the_fewest(kind: str) -> None:
    counted = COUNTED[kind]
    assert min(counted["tokens"].values()) >= fewest_tokens(counted["text"])


@given(TEXTS)
def test_the_estimate_is_never_below_the_fewest(text: str) -> None:
    assert 0 <= fewest_tokens(text) <= estimated_tokens(text) <= 4 * len(text)


@given(TEXTS, TEXTS)
def test_more_text_is_never_fewer_tokens(text: str, more: str) -> None:
    for count in (estimated_tokens, fewest_tokens):
        assert count(text) <= count(text + more) <= count(text) + count(more) + 1


def test_half_a_surrogate_is_counted_and_not_tripped_over() -> None:
    assert estimated_tokens("a\ud800") > 0
    assert fewest_tokens("a\ud800") == 1
