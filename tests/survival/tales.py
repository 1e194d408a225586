"""Answers whose every byte is known beforehand: a question names its tale, which is made from its number. Pure."""

import random
import re
from typing import Any, NamedTuple, Self

# Words, and what framing, JSON, UTF-8 and carelessness are known to spoil.
_WORDS = [" the", " of", " and", " light", " water", " colour", " number", " answer", " because", " through", " energy"]
_AWKWARD = (
    *("\n\n", "\r\n", "\ndata: [DONE]\n\n", "\nid: 7\n", "\n: ", "\t", "\u2028", "\u2029", "\x85", "\ufeff", "\u200b"),
    *('"', "\\", "\\u0041", "\x1f", " <b>", "&amp;", "'", "{}", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "👍🏽"),
    *("é", "e\u0301", "水", "مرحبا", "שלום", "\u202e", "ﷺ", "𝄞", "🇩🇪", "\U0010ffff"),
)
_QUESTION = re.compile(
    r"Tell tale (\d+) in (\d+) tokens of (\d+) pieces at ([\d.]+) a second, waiting before \[([\d, ]*)\]"
)


class Tale(NamedTuple):
    """One answer. `per_s` tokens a second, 0 for as fast as can be; before the tokens in `waits` it waits to be told.

    `size` is how many words (or worse) a token has.
    """

    number: int
    tokens: int = 60
    per_s: float = 0.0
    waits: tuple[int, ...] = ()
    size: int = 1

    @property
    def question(self) -> str:
        """What to ask for it."""
        return (
            f"Tell tale {self.number} in {self.tokens} tokens of {self.size} pieces at {self.per_s:g} a second, "
            f"waiting before {list(self.waits)}."
        )

    def pieces(self) -> list[str]:
        """Its tokens. None is empty, and no two tales begin alike."""
        dice = random.Random(self.number)
        pieces = [f"Tale {self.number}:"]
        while len(pieces) < self.tokens:
            awkward = 0.2 if self.size == 1 else 0.9  # more bytes, for as many characters
            words = (dice.choice(_AWKWARD if dice.random() < awkward else _WORDS) for _ in range(self.size))
            pieces.append("".join(words))
        return pieces

    def text(self, tokens: int | None = None) -> str:
        """The whole of it, or its first so many tokens."""
        return "".join(self.pieces()[:tokens])

    @classmethod
    def asked_for(cls, body: Any) -> Self | None:
        """The tale that a request to the language model asks for last; None when it wants something else (a title)."""
        found = _QUESTION.search(body["messages"][-1]["content"])
        if found is None:
            return None
        number, tokens, size, per_s, waits = found.groups()
        at = tuple(int(one) for one in waits.split(",") if one.strip())
        return cls(int(number), int(tokens), float(per_s), at, int(size))
