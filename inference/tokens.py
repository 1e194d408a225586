"""How many tokens a text takes: an estimate for every script, and a number that it never falls below. Pure.

The exact count is known to the model's server alone, and each family of models counts differently. The weights were
fitted to the vocabularies of Llama 3, Qwen 2.5 and 3.6, Mistral (Tekken) and OpenAI's cl100k, on prose in 25 languages,
code, tables and numbers (docs/decisions/0010-counting-a-window-that-is-not-ours.md). Over a page the real count is
between 0.55 and 1.2 times the estimate in languages of the Latin alphabet and in code, between 0.35 and 1.25 times it
in most other scripts, and up to 2.1 times it in scripts that some vocabularies hardly know (Armenian, Khmer). Text that
is no language (random letters, base64) may take 2.5 times as many.
"""

from typing import Final

_CLASSES: Final = (
    # The bytes of UTF-8 that begin a character of the class, its letter here, and the tokens a character takes.
    (range(0x61, 0x7B), b"a", 0.25),  # lower-case letters
    (range(0x41, 0x5B), b"A", 0.40),
    (range(0x30, 0x3A), b"d", 1.05),  # digits: many vocabularies have one at a time
    (b" ", b" ", 0.10),
    (b"\t\n\v\f\r\x1c\x1d\x1e\x1f", b"n", 0.48),  # all that parts words in ASCII, beside the space
    (range(0xC2, 0xCD), b"l", 1.80),  # Latin with accents: rare inside English, and it breaks words up
    (range(0xCD, 0xD0), b"g", 1.03),  # Greek
    (range(0xD0, 0xD4), b"c", 0.50),  # Cyrillic
    (range(0xD4, 0xE0), b"s", 1.00),  # Armenian, Hebrew, Arabic
    (range(0xE0, 0xE2), b"i", 1.32),  # Indic scripts, Thai, Georgian, Khmer
    (b"\xe2", b"y", 1.00),  # signs, arrows, typographic punctuation
    (range(0xE3, 0xEA), b"h", 0.95),  # Chinese, Japanese
    (range(0xEA, 0xEE), b"k", 1.00),  # Korean
    (range(0xEE, 0xF0), b"f", 2.00),
    (range(0xF0, 0x100), b"e", 3.50),  # emoji, ancient scripts
    (range(0x80, 0xC2), b"-", 0.00),  # inside a character
)
_PUNCTUATION: Final = 0.65  # everything else in ASCII
_ASCII_CLASSES: Final = 5
# No vocabulary of today has more Chinese characters than this in one token, on average over a text.
_CHINESE_IN_ONE: Final = 4


def _table() -> bytes:
    table = bytearray(b"p" * 256)
    for first_bytes, letter, _ in _CLASSES:
        for byte in first_bytes:
            table[byte] = letter[0]
    return bytes(table)


_CLASS_OF: Final = _table()
_ASCII_WEIGHTS: Final = (*((letter, weight) for _, letter, weight in _CLASSES[:_ASCII_CLASSES]), (b"p", _PUNCTUATION))
_OTHER_WEIGHTS: Final = tuple((letter, weight) for _, letter, weight in _CLASSES[_ASCII_CLASSES:] if weight)


def estimated_tokens(text: str) -> int:
    """About how many tokens the text takes; never fewer than `fewest_tokens`. Linear in the text, a few ns a byte."""
    classes = text.encode("utf-8", "surrogatepass").translate(_CLASS_OF)
    tokens = sum(classes.count(letter) * weight for letter, weight in _ASCII_WEIGHTS)
    if not text.isascii():
        tokens += sum(classes.count(letter) * weight for letter, weight in _OTHER_WEIGHTS)
    elif classes.count(b" ") + classes.count(b"n") < int(tokens):
        return int(tokens)  # it cannot have more words than that, and to count them costs as much as all the rest
    return max(int(tokens), len(text.split()))


def fewest_tokens(text: str) -> int:
    """As many tokens as the text takes at least, whatever the vocabulary.

    No token reaches across the space between two words, so there are as many as there are words. Chinese and Japanese
    have no spaces and are counted by characters.
    """
    words = len(text.split())
    if text.isascii():
        return words
    return max(words, text.encode("utf-8", "surrogatepass").translate(_CLASS_OF).count(b"h") // _CHINESE_IN_ONE)
