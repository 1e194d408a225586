"""The language of a search. Pure.

Every word must be there, whole, whatever its case and accents; "words in quotes" must follow one another. Nothing else
means anything: a minus, an OR or a lonely quote is passed over. In scripts without spaces a run of characters is found
wherever it stands.
"""

import re
import unicodedata
from typing import Final, NamedTuple

from chat.search.words import pairs_of, pattern_of, tokens_of

LONGEST_QUERY: Final = 500
MOST_PIECES: Final = 12
"""Further words are passed over: whoever pastes a paragraph is not asking for all of it."""

_LONGEST_TOKEN: Final = 100
_QUOTED: Final = re.compile(
    r'["\u201c\u201d\u201e\u00ab\u00bb]([^"\u201c\u201d\u201e\u00ab\u00bb]+)["\u201c\u201d\u201e\u00ab\u00bb]'
)


class Piece(NamedTuple):
    """Something that must be in a text. `keys` are its words in the index, `pattern` finds it in the text."""

    keys: tuple[str, ...]
    pattern: str
    is_one_word: bool


class Query(NamedTuple):
    """What is searched for; nothing when the text has no word."""

    pieces: tuple[Piece, ...]

    @property
    def is_one_word(self) -> bool:
        """Whether the index alone can answer: its one word is the whole question."""
        return len(self.pieces) == 1 and self.pieces[0].is_one_word

    def index_words(self) -> list[str]:
        """The words to look up, the one that is probably rarest first: long words are rarer than short ones."""
        # A pair of unspaced characters says as much as a word of some length.
        return sorted({key for piece in self.pieces for key in piece.keys}, key=lambda key: (-_weight(key), key))

    def patterns(self) -> list[str]:
        """What the text must match, all of it."""
        return [piece.pattern for piece in self.pieces]


def _weight(key: str) -> int:
    return len(key) * (1 if key.isascii() else 3)


def parse_query(text: str) -> Query:
    """The query in a text that somebody typed."""
    text = unicodedata.normalize("NFC", text)
    pieces: dict[str, Piece] = {}
    for quoted in _QUOTED.finditer(text):
        _add(pieces, _phrase(quoted.group(1)))
    for token, unspaced in tokens_of(_QUOTED.sub(" ", text)):
        _add(pieces, _single(token, unspaced=unspaced))
    return Query(tuple(pieces.values())[:MOST_PIECES])


def _add(pieces: dict[str, Piece], piece: Piece | None) -> None:
    if piece is not None:
        pieces.setdefault(piece.pattern, piece)


def _single(token: str, *, unspaced: bool) -> Piece:
    token = token[:_LONGEST_TOKEN] if unspaced else token
    pattern = pattern_of(token, unspaced=unspaced)
    if not unspaced:
        return Piece((token.lower(),), pattern, is_one_word=True)
    return Piece(tuple(pairs_of(token)), pattern, is_one_word=len(token) <= 2)  # noqa: PLR2004 -- a pair is one word


def _phrase(text: str) -> Piece | None:
    tokens = [*tokens_of(text)][:MOST_PIECES]
    if not tokens:
        return None
    if len(tokens) == 1:
        return _single(tokens[0][0], unspaced=tokens[0][1])
    singles = [_single(token, unspaced=unspaced) for token, unspaced in tokens]
    pattern = singles[0].pattern
    for (_, one), (_, other), single in zip(tokens, tokens[1:], singles[1:], strict=False):
        pattern += (r"\W*" if one or other else r"\W+") + single.pattern
    return Piece(tuple(key for single in singles for key in single.keys), pattern, is_one_word=False)
