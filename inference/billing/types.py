"""The words and values of what answers cost. Tokens are counts, money is in millionths of the currency."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from bson import ObjectId

from eloquent.foundation.ids import UserId

MOST_BUDGETS: Final = 1_000
"""That can be enabled: all of them are in every process."""


class Purpose(StrEnum):
    """What a language model was asked for."""

    ANSWER = "answer"
    COMPLETION = "completion"
    TITLE = "title"
    EMBEDDING = "embedding"


class Source(StrEnum):
    """Whose numbers they are: the server's, or ours because it did not say."""

    REPORTED = "reported"
    ESTIMATED = "estimated"


class Outcome(StrEnum):
    """How a call ended. STOPPED is a person's or a process's wish, FAILED the server's doing, LOST a worker's death."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"
    LOST = "lost"


class Period(StrEnum):
    """How long a budget lasts: a day or a month of UTC."""

    DAY = "day"
    MONTH = "month"


class Unit(StrEnum):
    """What a budget counts."""

    TOKENS = "tokens"
    MONEY = "money"


class UsageLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one call cost. Has every field of its model in `inference.models`.

    `input_tokens` holds the cached ones and `output_tokens` the thoughts. `cost_micros` is None when the model had no
    price at the time.
    """

    id: str
    run_id: ObjectId
    step: int
    purpose: Purpose
    user_id: UserId
    model: str
    input_tokens: int
    cached_input_tokens: int = 0
    output_tokens: int
    reasoning_tokens: int = 0
    cost_micros: int | None = None
    source: Source
    outcome: Outcome
    at: datetime

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.output_tokens


def line_id(answer_id: ObjectId, step: int, purpose: Purpose) -> str:
    """The one id that a call's line can have: whoever writes it, it is written once.

    `answer_id` is the message's that the call is for, however many runs write it; where there is none, the run's.
    """
    return f"{answer_id}:{step}:{purpose.value}"


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be spent, by whom, on what. Has every field of its model in `inference.models`."""

    id: ObjectId
    name: str
    enabled: bool = True
    user_id: UserId | None = None
    group_id: ObjectId | None = None
    shared: bool = False
    model: str = ""
    period: Period
    unit: Unit
    limit: int


class BudgetSpending(msgspec.Struct, frozen=True, kw_only=True):
    """What is spent of a budget in one period. Has every field of its model in `inference.models`.

    `used` is settled; `holds` are of calls at work, `{key, amount, until_ms}`, the last since 1970.
    """

    id: str
    budget_id: ObjectId
    user_id: UserId | None = None
    used: int = 0
    holds: list[dict[str, Any]] = []
    next_end_at: datetime | None = None
    starts_at: datetime
    resets_at: datetime
    expires_at: datetime

    @property
    def held(self) -> int:
        """What calls at work may cost."""
        return sum(hold["amount"] for hold in self.holds)

    def holds_for(self, key: str) -> bool:
        """Whether the call with this line has its share."""
        return any(hold["key"] == key for hold in self.holds)


class DaysUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What one user spent on one model in one day. `cost_micros` leaves out calls without a price."""

    day: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
