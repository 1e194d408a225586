"""Where `inference` keeps personal data: the entries of the register."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import msgspec

from eloquent.foundation.ids import UserId
from eloquent.foundation.personal_data import (
    ExportedFile,
    PersonalStore,
    Stage,
    Treatment,
    register,
    register_impersonal,
)
from eloquent.foundation.personal_rows import count_rows, listed, of_model
from inference import store
from inference.billing.types import UsageLine

_PAGE: Final = 500


def register_places() -> None:
    """Add them to the register. Called once, when the apps are loaded."""
    register(
        PersonalStore(
            name="usage",
            what="what your answers cost: models, tokens, money and times",
            treatment=Treatment.ANONYMISE,
            stage=Stage.USE,
            because="Books must be kept, by the laws of commerce and taxes: the amounts stay, you do not.",
            kept_for="as long as the operator's law asks for books",
            models=("inference.UsageLine",),
            erase=store.anonymise_usage,
            count=partial(count_rows, "inference.UsageLine", "user_id"),
            export=_usage,
        ),
        of_model(
            "inference.BudgetSpending",
            "spending",
            "sums of what you spent of budgets",
            stage=Stage.USE,
            not_exported="usage.json has what they are made of.",
        ),
        of_model(
            "inference.Budget",
            "budgets",
            "budgets that were for you alone",
            stage=Stage.USE,
            exports=("id", "name", "enabled", "model", "period", "unit", "limit"),
        ),
        PersonalStore(
            name="model_vendors",
            what="what the language models' servers were sent of your questions",
            treatment=Treatment.KEEP,
            stage=Stage.USE,
            because="They are not ours. Servers that the operator runs keep nothing.",
            kept_for="as long as each vendor's terms say",
            not_exported="What they were sent is in your conversations.",
        ),
    )
    register_impersonal(
        "language_models",
        "language_model_prices",
        because="It is what staff decided about language models.",
    )


async def _lines(owner: UserId) -> AsyncIterator[dict[str, Any]]:
    after: UsageLine | None = None
    while page := await store.usage_lines_of(owner, after=after, limit=_PAGE):
        for line in page:
            shown = msgspec.structs.asdict(line)
            del shown["user_id"]
            yield {**shown, "run_id": str(line.run_id)}
        after = page[-1]


async def _usage(owner: UserId) -> AsyncIterator[ExportedFile]:
    yield ExportedFile("usage.json", listed("usage", _lines(owner)))
