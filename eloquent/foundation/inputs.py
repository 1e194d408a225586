"""What requests of every room have in common: bodies that are what they say, and the parameters of a list."""

from typing import Annotated, Any, Final, TypeAlias

from ninja import Query, Schema
from pydantic import BeforeValidator, ConfigDict, StrictBool

from eloquent.foundation import cursors

LARGEST_PAGE: Final = 100


class Body(Schema):
    """A request's body. An unknown field is refused: a misspelt one would be silently ignored."""

    model_config = ConfigDict(extra="forbid")


def _number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("a number is expected")  # noqa: TRY004 - what pydantic takes for a refusal
    return value


# In the place of bool, and behind the bounds of an int or float: pydantic would take 1 for true, and "1" for 1.
Flag: TypeAlias = StrictBool
A_NUMBER: Final = BeforeValidator(_number)

Cursor: TypeAlias = Annotated[str | None, Query(max_length=cursors.LONGEST)]
PageSize: TypeAlias = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
