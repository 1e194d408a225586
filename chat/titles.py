"""A conversation's title: from its first words, or as a language model proposed it and we can let it stand. Pure."""

import re
import unicodedata
from typing import Final

from chat.types import Message

LONGEST_FIRST_TITLE: Final = 60
LONGEST_PROPOSED_TITLE: Final = 60
MOST_WORDS: Final = 9

_THOUGHTS: Final = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
# "Title: …", "Sure! Here's a short title: …", in front of the title itself or on a line of its own.
_ANNOUNCEMENT: Final = re.compile(r"^[^:\n]{0,60}\btitle\b[^:\n]{0,30}[:\uff1a]", re.IGNORECASE)
_MARKUP: Final = re.compile(r"^(?:#{1,6}|[-*+>\u2022]|\d{1,2}[.)])\s+|\*+|__+|`+")
# Those of most languages; spelled out where two look alike.
_QUOTES: Final = "\"'\u00b4«»\u2018\u2019\u201a\u201b“”„‟\u2039\u203a「」『』《》"
_ENDS: Final = " .,;:…\u3002\uff0c\uff1b\uff1a-\u2013\u2014"
# What a language model says when it goes on talking in place of naming the talk.
_TALK: Final = re.compile(
    r"(?:i |i'(?:m|d|ll|ve)|we |sure|okay|certainly|of course|here(?:'s| is| are)|this is|dear|sorry|as an ai)\b",
    re.IGNORECASE,
)
_TOO_SHORT: Final = 2
_STEM: Final = 4


def first_title(text: str) -> str:
    """One line of at most 60 characters from the beginning of the text, cut at a word; empty when there are none."""
    line = " ".join(text.split())
    if len(line) <= LONGEST_FIRST_TITLE:
        return line
    cut = line[: LONGEST_FIRST_TITLE - 1]
    whole_words = cut.rsplit(" ", 1)[0] if " " in cut else cut
    return whole_words.rstrip(" ,.;:") + "…"


def named_by(question: Message) -> str:
    """What a conversation is named by: the question's words, else the names of its files."""
    return question.text or ", ".join(part.get("filename", "") for part in question.parts if part["type"] == "file")


def proposed_title(reply: str, *, about: str) -> str | None:
    """The title in a language model's reply, one line without its decoration; None when it is not a good one.

    A good title is short, is no sentence to the reader, and at least half of what it names is in the conversation
    (`about`). That holds for nearly all titles of able models and for few of the others': small models talk on, greet,
    or name something else, and the first words are better than that.
    """
    title = _undecorated(reply)
    words = title.split()
    if (
        not _TOO_SHORT <= len(title) <= LONGEST_PROPOSED_TITLE
        or len(words) > MOST_WORDS
        or _TALK.match(title.replace("\u2019", "'"))
    ):
        return None
    if len(words) > 2 * len({word.casefold() for word in words}):
        return None  # caught in a loop
    named = _named(title)
    return title if named and 2 * len(named & _named(about)) >= len(named) else None


def _undecorated(reply: str) -> str:
    for line in _THOUGHTS.sub("", reply).splitlines():
        if title := _stripped(_ANNOUNCEMENT.sub("", line)):
            return title
    return ""


def _stripped(line: str) -> str:
    """Without markup, quotes around it, control characters and the marks that turn the direction of writing."""
    line = "".join(" " if character.isspace() else character for character in line if _is_shown(character))
    line = " ".join(_MARKUP.sub("", line.strip()).split())
    while (bare := line.strip(_QUOTES).strip().rstrip(_ENDS)) != line:
        line = bare
    return line


def _is_shown(character: str) -> bool:
    if character.isspace() or character == "\u200d":  # joins emoji and Indic letters
        return True
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn"}


def _named(text: str) -> set[str]:
    """What a text speaks of: the stems of its longer words; in scripts that know no spaces, its characters."""
    found: set[str] = set()
    for word in re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()):
        if _is_dense(word[0]):
            found.update(word)
        elif len(word) >= _STEM - 1 or not word.isalpha():
            found.add(word[:_STEM])
    return found


def _is_dense(character: str) -> bool:
    """Whether the character is of a script whose words are a letter or two, or are not set apart."""
    return "\u0e00" <= character <= "\u0eff" or "\u1000" <= character <= "\u109f" or "\u2e80" <= character <= "\ud7ff"
