"""Limits as headers: `RateLimit-Policy` and `RateLimit`, and at `/v1` those that OpenAI's clients read. Pure.

draft-ietf-httpapi-ratelimit-headers-10: lists of structured fields (RFC 9651), an item for each policy. `q` is its
amount and `w` its window in seconds; `r` is what is left, and `t` the seconds until more comes back: for a request that
was refused, until it may be made again. OpenAI's are from https://platform.openai.com/docs/guides/rate-limits.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from accounts.limits.policies import Policy

Header: TypeAlias = tuple[str, tuple[str, str]]
"""As Django keeps it: the name in lower case, then name and value."""

NAMES: Final = (
    "ratelimit",
    "ratelimit-policy",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
)


def policy_header(policies: Sequence[Policy]) -> Header:
    """Which limits the request was counted by."""
    value = ", ".join(f'"{policy.name}";q={policy.amount};w={policy.seconds}' for policy in policies)
    return "ratelimit-policy", ("RateLimit-Policy", value)


def standing(name: str, left: int, reset_s: int) -> str:
    """Where the caller stands in one of them."""
    return f'"{name}";r={left};t={reset_s}'


def standing_header(*standings: str) -> Header:
    """Where the caller stands."""
    return "ratelimit", ("RateLimit", ", ".join(standings))


def openai_headers(amount: int, left: int, reset_s: int) -> tuple[Header, ...]:
    """The same in OpenAI's words."""
    return (
        ("x-ratelimit-limit-requests", ("x-ratelimit-limit-requests", str(amount))),
        ("x-ratelimit-remaining-requests", ("x-ratelimit-remaining-requests", str(left))),
        ("x-ratelimit-reset-requests", ("x-ratelimit-reset-requests", f"{reset_s}s")),
    )
