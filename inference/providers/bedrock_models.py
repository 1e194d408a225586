"""What is known of the models on Bedrock, whose runtime tells nothing: what they are called, and what they can read."""

import re
from typing import Final

_WINDOWS: Final = {
    "ai21.jamba-1-5": 256_000,
    "amazon.nova-micro": 128_000,
    "amazon.nova-lite": 300_000,
    "amazon.nova-pro": 300_000,
    "amazon.nova-premier": 1_000_000,
    "amazon.nova-2-": 1_000_000,
    "anthropic.claude-3": 200_000,
    "anthropic.claude-haiku-4-5": 200_000,
    "anthropic.claude-haiku-5": 1_000_000,
    "anthropic.claude-opus-4-1": 200_000,
    "anthropic.claude-opus-4-2025": 200_000,
    "anthropic.claude-opus-4-5": 200_000,
    "anthropic.claude-opus-4-6": 1_000_000,
    "anthropic.claude-opus-4-7": 1_000_000,
    "anthropic.claude-opus-4-8": 1_000_000,
    "anthropic.claude-opus-5": 1_000_000,
    "anthropic.claude-sonnet-4-2025": 200_000,
    "anthropic.claude-sonnet-4-5": 200_000,
    "anthropic.claude-sonnet-4-6": 1_000_000,
    "anthropic.claude-sonnet-5": 1_000_000,
    "deepseek.r1": 128_000,
    "deepseek.v3": 128_000,
    "meta.llama3-8b": 8_192,
    "meta.llama3-70b": 8_192,
    "meta.llama3-1": 128_000,
    "meta.llama3-2": 128_000,
    "meta.llama3-3": 128_000,
    "meta.llama4-maverick": 1_000_000,
    "mistral.mistral-large-2402": 32_000,
    "mistral.mistral-large-2407": 128_000,
    "mistral.mistral-large-3": 256_000,
    "mistral.mistral-small-2402": 32_000,
    "mistral.pixtral-large": 128_000,
    "openai.gpt-oss": 128_000,
    "qwen.qwen3-32b": 32_768,
    "qwen.qwen3-coder": 256_000,
    "qwen.qwen3-235b": 256_000,
}
"""Tokens by the beginning of a family's ids, as in LiteLLM 1.110.2's model_prices_and_context_window_backup.json. A
family whose models differ has the smallest, and one that is not here is unknown: staff can say it in the console."""

# Models with a window of less than the whole carry it at their id's end: anthropic.claude-3-haiku-20240307-v1:0:48k.
_TOLD: Final = re.compile(r":(\d+)k$")


def shown_name(model_id: str) -> str:
    """The id, or the last part of an ARN: the others are a region and an account, which are nobody's business."""
    return model_id.rpartition("/")[2] if model_id.startswith("arn:") else model_id


def window_of(model_id: str) -> int | None:
    """The context window in tokens, prompt and answer together; None when it is not known.

    The id of an inference profile is a model's with a geography before it (us., global.); that of an application's own
    profile says nothing.
    """
    name = shown_name(model_id)
    if told := _TOLD.search(name):
        return int(told[1]) * 1000
    families = [family for family in _WINDOWS if name.startswith(family) or f".{family}" in name]
    return min((_WINDOWS[family] for family in families), default=None)
