"""Words, and what stands for words in scripts that put no spaces between them. Pure.

MongoDB's text index splits a text at spaces and punctuation, so a Chinese sentence is one word to it, and nothing in
the sentence can be found. For such scripts (and for emoji, which stick to words) a message therefore carries `grams`:
each of their characters and each pair of neighbours, as words of their own.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import Final

MOST_GRAMS: Final = 20_000
"""Beyond so many different ones, the rest of a text is not found by its characters: a document has a largest size."""

# Ranges of Chinese, Japanese and Korean characters, of Thai, Lao, Tibetan, Burmese and Khmer, and of emoji.
_UNSPACED_RANGES: Final = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"
    "\u0e81-\u0ece\u0edc-\u0edf"
    "\u0f40-\u0f84\u1000-\u103f\u1050-\u109d\u1780-\u17d3"
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\uff66-\uffdc"
    "\U0001f000-\U0001faff\U00020000-\U0003ffff"
)


def _marks() -> str:
    """The accents and vowel signs that belong to the letter before them, as ranges of a regular expression's class."""
    ranges: list[list[int]] = []
    for point in range(0x300, 0x10000):
        if unicodedata.category(chr(point))[0] == "M":
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in ranges)


_LETTER: Final = rf"[^\W{_UNSPACED_RANGES}]"
_WORD: Final = rf"{_LETTER}(?:{_LETTER}|(?![{_UNSPACED_RANGES}])[{_marks()}])*"
_UNSPACED: Final = re.compile(f"[{_UNSPACED_RANGES}]+")
# A word with such a character beside it is the same word to MongoDB: alone it has to be said again.
_WORD_BESIDE: Final = re.compile(f"(?<=[{_UNSPACED_RANGES}]){_LETTER}+|{_LETTER}+(?=[{_UNSPACED_RANGES}])")
_TOKEN: Final = re.compile(f"(?P<word>{_WORD})|(?P<unspaced>[{_UNSPACED_RANGES}]+)")


def tokens_of(text: str) -> Iterable[tuple[str, bool]]:
    """The words of the text in order; a run of an unspaced script is one, and is marked with True."""
    for found in _TOKEN.finditer(text):
        yield found.group(), found.lastgroup == "unspaced"


def grams_of(text: str) -> str:
    """What a text index has to be told of the text beside the text itself; empty for most."""
    if text.isascii() or not _UNSPACED.search(text):
        return ""
    grams: dict[str, None] = {}
    for run in _UNSPACED.finditer(text):
        grams.update(dict.fromkeys(run.group()))
        grams.update(dict.fromkeys(pairs_of(run.group())))
        if len(grams) >= MOST_GRAMS:
            break
    grams.update(dict.fromkeys(_WORD_BESIDE.findall(text)))
    return " ".join([*grams][:MOST_GRAMS])


def pairs_of(run: str) -> list[str]:
    """Each two neighbours of a run; the run itself when it is one character."""
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def _variants() -> dict[str, str]:
    """Each letter → all that are this letter with an accent, for letters that are written with accents."""
    variants: dict[str, str] = {}
    for point in range(0xC0, 0x2000):
        letter = chr(point)
        decomposed = unicodedata.normalize("NFD", letter)
        base, accents = decomposed[0], decomposed[1:]
        if accents and all(unicodedata.category(accent) == "Mn" for accent in accents) and letter.islower():
            variants[base] = variants.get(base, "") + letter
    return variants


_VARIANTS: Final = {sys.intern(base): letters for base, letters in _variants().items()}
_ACCENTS: Final = "[\u0300-\u036f]*"


def pattern_of(token: str, *, unspaced: bool) -> str:
    """A regular expression for the word whatever its case and accents, or for the run as it stands.

    Both Python (with IGNORECASE) and MongoDB (with `i`) understand it. It finds a word inside of another one, too:
    asking for the word's ends in the expression makes it several times slower, so `stands_alone` is asked afterwards.
    """
    if unspaced:
        return re.escape(token)
    letters = []
    for letter in unicodedata.normalize("NFD", token.lower()):
        if "\u0300" <= letter <= "\u036f":
            continue
        if letter in _VARIANTS:
            letters.append(f"[{letter}{_VARIANTS[letter]}]{_ACCENTS}")
        else:
            letters.append(re.escape(letter))
    return "".join(letters) or re.escape(token)


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether what is found there is no part of a longer word."""
    return end > start and not (
        (start and _joins(text[start - 1], text[start])) or (end < len(text) and _joins(text[end - 1], text[end]))
    )


def _joins(left: str, right: str) -> bool:
    return _is_letter(left) and _is_letter(right)


def _is_letter(character: str) -> bool:
    return (character.isalnum() or character == "_") and not _UNSPACED.match(character)
