"""The one way to vectors: texts in, one vector for each out, charged like an answer."""

import asyncio
from collections.abc import Sequence

import structlog

from inference.billing.bill import Bill, Call
from inference.billing.types import Outcome
from inference.catalog import provider_of
from inference.errors import InferenceError, ModelNotOffered, ModelTimeout
from inference.offers import OfferedModel
from inference.providers.base import Embedder, Vectors
from inference.types import GenerationOptions, PromptMessage, PromptRequest, Usage

log = structlog.get_logger(__name__)


async def embed(model: OfferedModel, texts: Sequence[str], *, bill: Bill) -> Vectors:
    """The texts as vectors, in order, reserved and charged on the bill, which whoever made it closes.

    A call that failed is not charged, though its server may have read a part of the texts.

    Raises:
        InferenceError: nothing else. What the server said is logged here.
        BudgetSpent: the owner of the bill has not enough left.
    """
    provider = provider_of(model)
    if not isinstance(provider, Embedder):
        raise ModelNotOffered(model.id)
    messages = tuple(PromptMessage("user", text) for text in texts)
    # Nothing is written; a bound of none at all would be the default one.
    request = PromptRequest(model.name, messages, GenerationOptions(max_output_tokens=1))
    await bill.reserve(model, request)
    try:
        async with asyncio.timeout(model.timeouts.total_s):
            made = await provider.embed(model.name, texts)
    except TimeoutError as error:
        raise ModelTimeout(model.name, what="took longer than", waited_s=model.timeouts.total_s) from error
    except InferenceError as error:
        log.warning("%s made no vectors: %s (%r)", model.id, error.code, error.__cause__)
        raise
    usage = Usage(made.input_tokens, 0, reported=made.input_tokens is not None)
    bill.ended(Call(model, request, usage, (), Outcome.COMPLETE))
    return made
