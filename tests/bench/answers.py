"""The answers of the bench's language model: known to the upstream that writes them and to whoever checks them.

A question names its answer (`[answer 07]`), so an answer that reaches the wrong reader, or comes cut or changed, is
seen.
"""

import random
import re
from functools import cache

TOKENS_PER_ANSWER = 200
ANSWERS = 32

# What tokens look like: short words with the space before them, and a few that JSON, HTML or UTF-8 make awkward.
_WORDS = (
    "the of and a to in is that for it as was with be by on not he his but at are this have from or had an which you "
    "were her all she there would their we him been has when who will more no if out so said what light water colour "
    "number answer because through energy between another example language question"
)
_PIECES = [f" {word}" for word in _WORDS.split()]
_AWKWARD = (".", ",", "\n\n", " <b>", " &", ' "', "\\", " é", " ñ", " 水", " 🙂", "\t", " —", "'s", "\u2028")


def question(answer: int, turn: int = 0, *, stream: int | None = None) -> str:
    """The user's message that gets this answer; `turn` makes earlier ones differ.

    `stream` is the name under which the language model writes down when each token went out.
    """
    asked = "tell me, in a few sentences, why the sky looks blue at noon and red at dusk"
    named = "" if stream is None else f" [stream {stream}]"
    return f"Turn {turn}: {asked}. [answer {answer:02d}]{named}"


def asked_for(text: str) -> int:
    """Which answer the question names."""
    named = re.search(r"\[answer (\d\d)\]", text)
    if named is None:
        raise ValueError(f"No answer is named in {text!r}.")
    return int(named[1]) % ANSWERS


def stream_of(text: str) -> int | None:
    """Which stream the question names, if any."""
    named = re.search(r"\[stream (\d+)\]", text)
    return None if named is None else int(named[1])


@cache
def tokens_of(answer: int, length: int = TOKENS_PER_ANSWER) -> tuple[str, ...]:
    """The answer's tokens in order. No token is empty, and no two answers begin alike."""
    dice = random.Random(answer)
    tokens = [f"Answer {answer:02d}:"]
    while len(tokens) < length:
        awkward = dice.random() < 0.1
        tokens.append(dice.choice(_AWKWARD) if awkward else dice.choice(_PIECES))
    return tuple(tokens)


def text_of(answer: int, length: int = TOKENS_PER_ANSWER) -> str:
    """The whole answer."""
    return "".join(tokens_of(answer, length))
