"""Which passwords are accepted: NIST SP 800-63B's rules, as validators for both roads. Pure.

Length, not a common one, not the names of those involved; no rules about digits and signs, which make passwords worse.

The list of common passwords is Django's, 20,000 of Mark Burnett's ten million. By itself it is next to nothing here,
since nine in ten of its entries are shorter than we accept. So it is not only the whole password that is looked up, but
also what is left of it without the decoration that people add to satisfy a rule ("Password2024!", "P@ssw0rd12"),
the shorter text that it repeats ("monkeymonkey"), and whether it is one walk over the keyboard or the alphabet.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

from django.contrib.auth.password_validation import CommonPasswordValidator as DjangosList
from django.core.exceptions import ValidationError

MIN_PASSWORD_CHARS: Final = 10
MAX_PASSWORD_CHARS: Final = 256
SITE_WORDS: Final = ("eloquent",)

# With this much more than a common password, the rest protects by itself.
_ENOUGH_MORE: Final = 8
# With less than this beside a name, the name is the password.
_ENOUGH_BESIDE_NAMES: Final = 6
_SHORTEST_NAME: Final = 3
_SHORTEST_CORE: Final = 3
_MOST_DISTINCT_IN_A_PATTERN: Final = 3
_STAND_INS: Final = str.maketrans("@4831!0$57", "aabeiiosst")
_SIGNS: Final = " .,;:!?*#+-_=&%/()$@'\"<>[]{}|~^`"
_DIGITS: Final = "0123456789"
_WALKS: Final = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
)


class LengthValidator:
    """Accepts 10 to 256 characters. The upper end bounds the work that a request can ask for."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError when the password is too short or too long.

        An accent that is typed as a character of its own makes a password no longer.
        """
        del user
        if len(_normalised(password)) < MIN_PASSWORD_CHARS or len(password) > MAX_PASSWORD_CHARS:
            raise ValidationError(self.get_help_text(), code="password_length")

    def get_help_text(self) -> str:
        """The rule as a sentence."""
        return f"The password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters."


class NotCommonValidator:
    """Refuses common passwords, decorated, repeated and spelled in look-alikes as well, and walks over the keyboard."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError when the password is among the first that a guesser tries."""
        del user
        if is_common(password):
            raise ValidationError("This password is too common.", code="password_too_common")

    def get_help_text(self) -> str:
        """The rule as a sentence."""
        return "The password must not be a common one, or one with a few signs added."


class NotTheNamesValidator:
    """Refuses passwords that are little more than the user's email or name, this service's name, or a house's words."""

    def __init__(self, house_words: Iterable[str] = ()) -> None:
        self._house_words = tuple(house_words)

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError when the password says who `user` is (anything with an `email`, maybe a `name`)."""
        email, name = getattr(user, "email", None) or "", getattr(user, "name", None) or ""
        if is_made_of(password, names_in(email, name, self._house_words)):
            raise ValidationError(self.get_help_text(), code="password_is_a_name")

    def get_help_text(self) -> str:
        """The rule as a sentence."""
        return "The password must not be made of the email address, your name or names of this service."


def is_common(password: str) -> bool:
    """Whether a guesser with a list tries this early."""
    folded = _folded(password)
    if _is_pattern(folded):
        return True
    cores = {core for core in _cores(folded) if len(folded) - len(core) < _ENOUGH_MORE}
    return any(_is_listed(text) for core in cores for text in (core, *_repeated(core)))


def is_made_of(password: str, names: Iterable[str]) -> bool:
    """Whether little is left of the password without the names, or only what is common."""
    folded, words = _folded(password), sorted(set(names), key=len, reverse=True)
    return any(_is_left_with_little(text, words) for text in {folded, folded.translate(_STAND_INS)})


def names_in(email: str, name: str, house_words: Iterable[str] = ()) -> set[str]:
    """What the password may not be made of: the email, its parts, the words of the name, ours, and those of a house."""
    local, _, domain = _folded(email).partition("@")
    house = [word for words in house_words for word in _words(_folded(words))]
    parts = [*_words(local), *_words(_folded(name)), *_words(domain.rpartition(".")[0]), *SITE_WORDS, *house]
    whole = [f"{local}@{domain}", local] if domain else [local]
    return {part for part in (*whole, *parts) if len(part) >= _SHORTEST_NAME}


def _normalised(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _folded(text: str) -> str:
    return _normalised(text).casefold().strip()


def _words(text: str) -> list[str]:
    return "".join(character if character.isalnum() else " " for character in text).split()


def _is_left_with_little(text: str, words: list[str]) -> bool:
    left = text
    for word in words:
        left = left.replace(word, "")
    rest = "".join(character for character in left if character.isalnum())
    return left != text and (len(rest) < _ENOUGH_BESIDE_NAMES or is_common(rest))


def _cores(folded: str) -> Iterator[str]:
    """What the password may be a decoration of: itself, and itself without signs, or signs and digits, at its ends.

    Each also with the letters that digits and signs may stand for, told before and after: in "pa$$word1!" the dollars
    are letters and the exclamation mark is none.
    """
    spelled = folded.translate(_STAND_INS)
    for text in (folded, spelled):
        for ends in ("", _SIGNS, _SIGNS + _DIGITS):
            core = text.strip(ends) if ends else text
            if len(core) >= _SHORTEST_CORE:
                yield from (core, core.replace(" ", ""), core.translate(_STAND_INS))
    # Signs before they are taken for letters: "!!love!!" is not "iiloveii".
    undecorated = folded.strip("".join({character for character in folded if not character.isalpha()}))
    if len(undecorated) >= _SHORTEST_CORE:
        yield from (undecorated, undecorated.translate(_STAND_INS))


def _repeated(text: str) -> Iterator[str]:
    """The shorter text that this one is made of by saying it again."""
    at = (text + text).find(text, 1)
    if at < len(text):
        yield text[:at]


def _is_pattern(folded: str) -> bool:
    """Whether a rule of a few words makes it: few characters, something short again and again, a walk."""
    bare = folded.replace(" ", "")
    if len(set(bare)) <= _MOST_DISTINCT_IN_A_PATTERN:
        return True
    texts = (bare, *_repeated(bare))
    return any(text in walk * 2 or text in walk[::-1] * 2 for walk in _WALKS for text in texts)


def _is_listed(text: str) -> bool:
    return text in _listed()


@lru_cache(maxsize=1)
def _listed() -> frozenset[str]:
    return frozenset(DjangosList().passwords)
