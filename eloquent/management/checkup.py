"""How the language models are: each is asked one short question, one after the other, and nothing is charged."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import msgspec

from eloquent.management.tally import Taken, Tally
from inference.errors import InferenceError, ModelTimeout
from inference.offers import OfferedModel
from inference.router import answer, forget_failures
from inference.types import Finished, GenerationOptions, PromptMessage, PromptRequest, Status

OK: Final = "ok"
EMPTY: Final = "empty_answer"
"""The answer was whole and had nothing in it."""
QUESTION: Final = "Say one word: ready."
_OPTIONS: Final = GenerationOptions(max_output_tokens=64)


class Checked(msgspec.Struct, frozen=True):
    """How one model did. `outcome` is `OK`, or a code that says why not; `detail` is the sentence for it."""

    model: str
    outcome: str
    taken: Taken = Taken()
    detail: str = ""


async def check_up(models: list[OfferedModel], *, timeout_s: float) -> AsyncGenerator[Checked, None]:
    """Ask each of them, in order; each has `timeout_s` for its whole answer, attempts and loading included."""
    for model in models:
        yield await _checked(model, timeout_s)


async def _checked(model: OfferedModel, timeout_s: float) -> Checked:
    # A fallback would hide what is looked for, and so would a rest after the failures of a neighbour.
    alone = msgspec.structs.replace(model, fallbacks=())
    forget_failures(alone)
    request = PromptRequest(model.name, (PromptMessage("user", QUESTION),), _OPTIONS)
    tally, spoke = Tally(model), False
    try:
        async with asyncio.timeout(timeout_s), aclosing(answer(alone, request)) as events:
            async for event in events:
                tally.saw(event)
                spoke = spoke or not isinstance(event, Status | Finished)
    except TimeoutError:
        late = ModelTimeout(model.name, what="did not complete its answer in", waited_s=timeout_s)
        return Checked(model.id, late.code, tally.taken(), late.detail)
    except InferenceError as error:
        return Checked(model.id, error.code, tally.taken(), error.detail)
    taken = tally.taken()
    # One that thought and was cut off before its first word is well.
    if spoke or taken.output_tokens:
        return Checked(model.id, OK, taken)
    return Checked(model.id, EMPTY, taken, f"{model.name} answered without a word.")
