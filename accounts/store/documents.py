"""What the lists of this store have in common. Pure."""

from datetime import datetime

import msgspec
from bson import ObjectId


class Position(msgspec.Struct, frozen=True):
    """A place in a list that is ordered newest first: what follows is older."""

    created_at: datetime
    id: ObjectId
