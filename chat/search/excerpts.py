"""How well a text answers a query, and the piece of it that shows why. Pure."""

import re
from collections import Counter
from typing import Final, NamedTuple

from chat.search.query import Query
from chat.search.words import stands_alone

EXCERPT_CHARS: Final = 240
LONGEST_READ: Final = 10_000
"""Of a longer text, only so much of its beginning is looked at for its excerpt and its place among the others."""

_MOST_MATCHES: Final = 400
# A text of this length counts as neither long nor short: half of our messages are longer.
_USUAL_CHARS: Final = 600
_LEAD_CHARS: Final = 60
_SPACES: Final = re.compile(r"\s+")


class Segment(NamedTuple):
    """A piece of an excerpt; `match` when it is what was searched for."""

    text: str
    match: bool


class Reading(NamedTuple):
    """A text read with a query in mind."""

    score: int
    spans: list[tuple[int, int, int]]
    """Start, end and number of the query's piece, in order."""
    has_all: bool
    """Whether every piece of the query was found."""


class Reader:
    """Reads texts for one query."""

    def __init__(self, query: Query) -> None:
        # Phrases first: their words alone would match before them.
        pieces = sorted(enumerate(query.pieces), key=lambda numbered: numbered[1].is_one_word)
        self._pieces = len(pieces)
        self._found = re.compile("|".join(f"(?P<p{number}>{piece.pattern})" for number, piece in pieces), re.IGNORECASE)

    def read(self, text: str) -> Reading:
        """Where the query's pieces are, and the text's score: a whole number, higher is better.

        Each piece adds more the more often it is there, but each time less, and less in a long text: BM25 without a
        word's rarity, which only an index of all texts knows.
        """
        spans: list[tuple[int, int, int]] = []
        for found in self._found.finditer(text):
            start, end = found.span()
            if stands_alone(text, start, end):
                spans.append((start, end, int((found.lastgroup or "p0")[1:])))
                if len(spans) == _MOST_MATCHES:
                    break
        often = Counter(number for _, _, number in spans)
        damping = 1.2 * (0.25 + 0.75 * len(text) / _USUAL_CHARS)
        score = round(1000 * sum(times * 2.2 / (times + damping) for times in often.values()))
        return Reading(score, spans, has_all=len(often) == self._pieces)


def excerpt(text: str, spans: list[tuple[int, int, int]]) -> list[Segment]:
    """At most some 240 characters of the text around its best place, as segments whose texts make one line."""
    begins = _best_begin(text, spans)
    ends = min(len(text), begins + EXCERPT_CHARS)
    if ends < len(text) and (space := text.rfind(" ", begins + EXCERPT_CHARS // 2, ends)) > 0:
        ends = space
    segments = [Segment("…", match=False)] if begins else []
    at = begins
    for start, end, _ in spans:
        if start < at or start >= ends:
            continue
        segments += [Segment(text[at:start], match=False), Segment(text[start : min(end, ends)], match=True)]
        at = min(end, ends)
    segments.append(Segment(text[at:ends], match=False))
    if ends < len(text):
        segments.append(Segment("…", match=False))
    return _one_line(segments)


def _best_begin(text: str, spans: list[tuple[int, int, int]]) -> int:
    """Where the window begins that shows most of the query: different pieces first, then their number."""
    best, best_at = (0, 0), 0
    for first, (start, _, _) in enumerate(spans):
        within = [number for at, end, number in spans[first : first + 40] if end <= start + EXCERPT_CHARS - _LEAD_CHARS]
        if (worth := (len(set(within)), len(within))) > best:
            best, best_at = worth, start
    if best_at <= _LEAD_CHARS:
        return 0
    space = text.find(" ", best_at - _LEAD_CHARS, best_at)
    return space + 1 if space >= 0 else best_at - _LEAD_CHARS


def _one_line(segments: list[Segment]) -> list[Segment]:
    """The segments with every run of white space made one space, neighbours of a kind joined, and no empty ones."""
    line: list[Segment] = []
    for raw, match in segments:
        text = _SPACES.sub(" ", raw)
        if line and line[-1].text.endswith(" "):
            text = text.removeprefix(" ")
        if not text:
            continue
        if line and line[-1].match == match:
            line[-1] = Segment(line[-1].text + text, match)
        else:
            line.append(Segment(text, match))
    return line
