"""Names of files, made harmless for headers, file systems and prompts. Pure."""

import re
from typing import Final

# What a file's name may not have somewhere, or what would make it another file: separators, signs, control characters,
# and half of a pair, which is no character.
_UNSAFE: Final = re.compile(
    r'[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\\/:*?"<>|%]+'
)
_LONGEST_ENDING: Final = 10


def harmless(name: str, *, longest: int) -> str:
    """The name without what file systems and headers take amiss, at most `longest` characters; it may be empty."""
    return " ".join(_UNSAFE.sub(" ", name).split()).strip(". ")[:longest].rstrip(". ")


def harmless_file_name(name: str, *, longest: int) -> str:
    """The same of a name with an ending, which a long name keeps; of a path the last step alone. It may be empty."""
    last = re.split(r"[\\/]", name)[-1]
    clean = harmless(last, longest=len(last))
    if len(clean) <= longest:
        return clean
    stem, dot, ending = clean.rpartition(".")
    if not stem or len(ending) > _LONGEST_ENDING:
        return harmless(clean, longest=longest)
    return harmless(stem, longest=longest - len(ending) - 1) + dot + ending
