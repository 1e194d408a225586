"""A conversation's title from its first words. Pure."""

from typing import Final

LONGEST_FIRST_TITLE: Final = 60


def first_title(text: str) -> str:
    """One line of at most 60 characters from the beginning of the text, cut at a word; empty when there are none."""
    line = " ".join(text.split())
    if len(line) <= LONGEST_FIRST_TITLE:
        return line
    cut = line[: LONGEST_FIRST_TITLE - 1]
    whole_words = cut.rsplit(" ", 1)[0] if " " in cut else cut
    return whole_words.rstrip(" ,.;:") + "…"
