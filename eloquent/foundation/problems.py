"""The documented shape of every refusal: RFC 9457 problem+json with our additions."""

from typing import Any

from ninja import Schema


class Problem(Schema):
    """What went wrong, in a sentence for the user (`detail`) and a stable word for programs (`code`)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None = None
    errors: list[dict[str, Any]] | None = None
    retry_after_s: float | None = None


def problems(*statuses: int) -> dict[int, type[Problem]]:
    """For an operation's `response=`: these statuses answer a `Problem`.

    So do 413 (a body above the limit) and 503 (the database is away), which any operation may answer.
    """
    return dict.fromkeys((*statuses, 413, 503), Problem)
