"""The words of a search: grams, queries, excerpts."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chat.search.excerpts import EXCERPT_CHARS, Reader, excerpt
from chat.search.query import MOST_PIECES, parse_query
from chat.search.words import MOST_GRAMS, grams_of, pairs_of

ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
CHINESE = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x4E20), min_size=1, max_size=40)


@given(CHINESE, st.data())
def test_every_run_of_an_unspaced_text_is_in_its_grams(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    run = text[start : data.draw(st.integers(start + 1, len(text)))]
    (piece,) = parse_query(run).pieces
    assert set(piece.keys) <= set(grams_of(f"abc {text}。").split())


@given(ANYTHING)
def test_a_text_with_spaces_has_no_grams(text: str) -> None:
    ascii_text = text.encode("ascii", "ignore").decode()
    assert grams_of(ascii_text) == ""
    assert "\0" not in grams_of(text.replace("\0", ""))


def test_the_grams_of_a_huge_text_are_bounded() -> None:
    text = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(200_000))
    assert len(grams_of(text).split()) == MOST_GRAMS


def test_a_pair_is_every_two_neighbours() -> None:
    assert pairs_of("数据库") == ["数据", "据库"]
    assert pairs_of("库") == ["库"]


@given(ANYTHING)
def test_whatever_is_typed_is_a_query_whose_words_are_harmless(text: str) -> None:
    query = parse_query(text)
    assert len(query.pieces) <= MOST_PIECES
    for pattern in query.patterns():
        re.compile(pattern, re.IGNORECASE)
    assert not any(set(key) & set("\"-' \0") for key in query.index_words())
    Reader(query).read(text)


@given(st.lists(st.sampled_from(["tea", "Été", "ete", "数据库", "x", "…", "\n", "teapot", '"'])), st.integers(0, 400))
def test_an_excerpt_is_a_line_from_the_text_with_the_matches_marked(words: list[str], filler: int) -> None:
    text = " ".join(["so"] * filler + words)
    query = parse_query('tea été 数据 "x x"')
    reading = Reader(query).read(text)
    segments = excerpt(text, reading.spans)

    line = "".join(segment.text for segment in segments)
    assert len(line) <= EXCERPT_CHARS + 2
    assert "\n" not in line
    assert line.strip("… ") in " ".join(text.split())
    assert all(one.match != other.match for one, other in pairwise(segments))
    marked = {re.sub(r"\W+", " ", segment.text) for segment in segments if segment.match}
    assert marked <= {"tea", "Été", "ete", "数据", "x x"}
    assert bool(marked) == bool(reading.spans)


def test_more_and_denser_matches_score_higher() -> None:
    reader = Reader(parse_query("tea milk"))
    scores = [reader.read(text).score for text in ("tea milk", "tea tea tea", "tea", "tea" + " x" * 500, "x")]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == 0
