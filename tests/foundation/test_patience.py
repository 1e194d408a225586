"""Who was late once is asked again; who refuses is not, and who is late twice is given up."""

import asyncio

import pytest

from eloquent.foundation.patience import asked_twice


class Asked:
    """Brings what it was told to bring, one after the other; an event is waited for."""

    def __init__(self, *brings: object) -> None:
        self.brings = list(brings)
        self.asked = 0

    async def __call__(self) -> object:
        self.asked += 1
        brought = self.brings.pop(0)
        if isinstance(brought, asyncio.Event):
            await brought.wait()
        if isinstance(brought, Exception):
            raise brought
        return brought


def caused_by_a_timeout() -> Exception:
    """As a client raises that has a limit of its own."""
    error = ValueError("it took too long")
    error.__cause__ = TimeoutError()
    return error


async def test_who_answers_is_asked_once() -> None:
    asked = Asked("here")
    assert await asked_twice(asked, limit_s=30) == "here"
    assert asked.asked == 1


@pytest.mark.parametrize(
    "late", [asyncio.Event(), TimeoutError(), caused_by_a_timeout()], ids=["silent", "own", "cause"]
)
async def test_who_was_late_is_asked_again(late: object) -> None:
    asked = Asked(late, "here")
    assert await asked_twice(asked, limit_s=0.1 if isinstance(late, asyncio.Event) else 30) == "here"
    assert asked.asked == 2


async def test_who_is_late_twice_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        await asked_twice(asked := Asked(asyncio.Event(), asyncio.Event()), limit_s=0.02)
    assert asked.asked == 2


async def test_who_refuses_is_not_asked_again() -> None:
    asked = Asked(ValueError("no"), "here")
    with pytest.raises(ValueError, match="no"):
        await asked_twice(asked, limit_s=30)
    assert asked.asked == 1
