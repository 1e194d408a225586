"""Views whose work is for their client alone, and ends when the client leaves."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

_View = TypeVar("_View", bound=Callable[..., Any])
_MARK: Final = "ends_with_its_client"


def ends_with_client(view: _View) -> _View:
    """Mark a view that changes nothing although its method says otherwise: it is cancelled when its client leaves.

    Unmarked, only GET is: what a client asked to be changed is changed to the end.
    """
    setattr(view, _MARK, True)
    return view


def is_ended_with_client(view: Callable[..., Any]) -> bool:
    """Whether the view is marked."""
    return getattr(view, _MARK, False)
