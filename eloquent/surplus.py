"""What large bodies may hold together.

A few paths take megabytes, and a body is read before anyone knows who sends it. Each is bounded; this bounds their sum,
by what has really arrived: announcing much, or sending it slowly, takes nothing from others.
"""

from typing import Final

from eloquent.foundation.errors import Unavailable

MOST_BYTES: Final = 64 * 1024 * 1024


class Surplus:
    """The bytes that bodies hold beyond the usual bound, all of them together in this process."""

    def __init__(self, *, usual_bytes: int, most_bytes: int) -> None:
        self.usual_bytes = usual_bytes
        self._left = most_bytes

    def take(self, count: int) -> bool:
        """Take so many bytes; False, and nothing is taken, when there are not so many left."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def give_back(self, count: int) -> None:
        """The bytes are free again."""
        self._left += count


class Share:
    """One body's part of the surplus. Whoever makes it closes it once the body is let go."""

    def __init__(self, surplus: Surplus) -> None:
        self._surplus = surplus
        self._held = 0

    def cover(self, length: int) -> Unavailable | None:
        """See that the body may have grown to this length; the refusal when there is no room for it."""
        more = length - self._surplus.usual_bytes - self._held
        if more <= 0:
            return None
        if not self._surplus.take(more):
            return Unavailable("Many large requests are being read. Try again in a moment.", retry_after_s=2)
        self._held += more
        return None

    def close(self) -> None:
        """Give all of it back."""
        self._surplus.give_back(self._held)
        self._held = 0
