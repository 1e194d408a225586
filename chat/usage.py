"""What an answer cost, as its message and its readers are told. Pure."""

from collections.abc import Sequence
from typing import Any

from inference.billing.types import Source, UsageLine


def usage_told(lines: Sequence[UsageLine]) -> dict[str, Any] | None:
    """The sum of the answer's calls; None when there was none to charge.

    `reported` says that every number is the servers' own. What it cost is left out when a model has no price.
    """
    if not lines:
        return None
    told: dict[str, Any] = {
        "inputTokens": sum(line.input_tokens for line in lines),
        "outputTokens": sum(line.output_tokens for line in lines),
        "reported": all(line.source is Source.REPORTED for line in lines),
    }
    if cached := sum(line.cached_input_tokens for line in lines):
        told["cachedInputTokens"] = cached
    if thought := sum(line.reasoning_tokens for line in lines):
        told["reasoningTokens"] = thought
    costs = [line.cost_micros for line in lines]
    if None not in costs:
        told["costMicros"] = sum(cost or 0 for cost in costs)
    return told
