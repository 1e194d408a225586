"""What requests of every room have in common: bodies without unknown fields, and the parameters of a list."""

from typing import Annotated, Final, TypeAlias

from ninja import Query, Schema
from pydantic import ConfigDict

from eloquent.foundation import cursors

LARGEST_PAGE: Final = 100


class Body(Schema):
    """A request's body. An unknown field is refused: a misspelt one would be silently ignored."""

    model_config = ConfigDict(extra="forbid")


Cursor: TypeAlias = Annotated[str | None, Query(max_length=cursors.LONGEST)]
PageSize: TypeAlias = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]
