"""How often anybody may do anything: every limit but those of guessing (`accounts.limits.slowing`). Pure.

Two kinds. The *counted* ones are kept in the process and shared beside the requests (`accounts.limits.gate`): they cost
a request nothing that can be measured, and may be overrun for a quarter of a second. The *exact* ones ask Redis and are
never overrun (`accounts.throttle`): they stand before what is worth guessing at.

The numbers: a person with ten busy tabs meets none, a program that has run away does. Routes are named as Django writes
them; those of other rooms are words of the interface here, and a test asks that there is a route for each.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

Route: TypeAlias = tuple[str, str]
"""Method and route: `("POST", "api/v1/conversations/<conversation_id>/runs")`."""


class Policy(msgspec.Struct, frozen=True):
    """At most `amount` in any `seconds`, give or take what `accounts.limits.counting` says."""

    name: str
    amount: int
    seconds: int


class Pace(msgspec.Struct, frozen=True):
    """What one socket may send: so many frames at once, so many a second after that."""

    per_s: float
    at_once: int


FRAMES: Final = Pace(per_s=10.0, at_once=40)

# By user, on top of the general limit.
UPLOADS: Final = Policy("uploads", 120, 60)
SEARCHES: Final = Policy("searches", 240, 60)
EXPORTS: Final = Policy("exports", 60, 600)
IMPORTS: Final = Policy("imports", 30, 3600)
TICKETS: Final = Policy("tickets", 120, 60)
KEYS_MADE: Final = Policy("keys-made", 30, 3600)

# By address, in the place of the general limit: many people may share one.
SOCKETS: Final = Policy("sockets", 600, 60)
REFRESHES: Final = Policy("refreshes", 600, 60)
SIGNED_FILES: Final = Policy("signed-files", 6000, 60)


def of_users(runs: Policy) -> Mapping[Route, Policy]:
    """The routes of signed-in users that have a limit of their own; those with one policy share one count."""
    return {
        ("POST", "api/v1/conversations/<conversation_id>/runs"): runs,
        ("POST", "api/v1/messages/<message_id>/edit"): runs,
        ("POST", "api/v1/messages/<message_id>/regenerate"): runs,
        ("POST", "api/v1/messages/<message_id>/approvals"): runs,
        ("POST", "api/v1/ui/chat"): runs,
        ("POST", "api/v1/attachments"): UPLOADS,
        ("GET", "api/v1/search"): SEARCHES,
        ("GET", "api/v1/conversations/<conversation_id>/export"): EXPORTS,
        ("POST", "api/v1/imports"): IMPORTS,
        ("POST", "api/v1/auth/socket-ticket"): TICKETS,
        ("POST", "api/v1/me/api-keys"): KEYS_MADE,
    }


OF_ADDRESSES: Final[Mapping[Route, Policy]] = {
    ("POST", "api/v1/auth/refresh"): REFRESHES,
    ("GET", "api/v1/attachments/<attachment_id>/content/<signature>"): SIGNED_FILES,
}

# Balancers ask these every few seconds.
NEVER_COUNTED: Final = frozenset({"healthz", "readyz"})
