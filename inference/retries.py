"""When a model is asked once more, and when another is asked in its place. Pure, but for the dice.

Only what never began to answer is asked again: a second beginning after the first words would be told twice, and billed
twice. The pause grows and is spread over its whole length ("full jitter"), so that many who failed together do not come
back together.
"""

import random
from typing import Final

from inference.billing.errors import BudgetSpent
from inference.errors import (
    AnswerCutOff,
    InferenceError,
    ModelBusy,
    ModelFailed,
    ModelUnreachable,
    PromptRejected,
    VendorError,
)

MOST_ATTEMPTS: Final = 3
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 4.0
LONGEST_TOLD_S: Final = 10.0
"""A server that wants to be left alone for longer is taken at its word: the person who asked is told, or another model
is asked."""

_PASSING: Final = (ModelUnreachable, ModelBusy, ModelFailed, AnswerCutOff)
"""Failures that may be over in a moment. A timeout is none: the person has waited for minutes. Nor is a full queue of
our own: it takes an answer's time to get shorter."""


def pause_before_retry_s(error: InferenceError, attempt: int) -> float | None:
    """How long to wait before the next attempt; None when there is none. `attempt`, from 1, is the one that failed."""
    if attempt >= MOST_ATTEMPTS or not isinstance(error, _PASSING):
        return None
    if isinstance(error, ModelBusy) and not error.asked:
        return None
    told_s = error.__cause__.retry_after_s if isinstance(error.__cause__, VendorError) else None
    if told_s is not None and told_s > LONGEST_TOLD_S:
        return None
    pause_s = random.uniform(0, min(FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S))  # noqa: S311  (no secret)
    return pause_s if told_s is None else told_s + pause_s


def may_fall_back(error: InferenceError) -> bool:
    """Whether another model may do better. What is wrong with the question, or the purse, is so with any of them."""
    return not isinstance(error, PromptRejected | BudgetSpent)
