"""The register of every place that holds a person's data, and what an erasure and an export do with it.

Each app registers its own when the apps are loaded; jobs that know no app walk the register. A test fails when a model
names a person and is not in it, and when a collection is in neither of its two lists.

A place is added in three lines where an app registers its own:

    of_model("accounts.Passkey", "passkeys", "passkeys that sign you in", exports=("name", "created_at")),

Its rows are then counted, deleted in batches and written to `passkeys.json` of an export.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, TypeAlias

from bson import ObjectId

from eloquent.foundation.ids import UserId

NOBODY: Final = ObjectId("0" * 24)
"""Stands in the place of an erased user where a row is kept without them."""


class Treatment(StrEnum):
    """What an erasure does."""

    DELETE = "deleted"
    ANONYMISE = "anonymised"
    KEEP = "kept"


class Stage(IntEnum):
    """When in an erasure: what leads to other things goes after them, and the user last of all."""

    CONTENT = 1
    USE = 2
    ACCESS = 3
    RECORD = 4
    PERSON = 5


class Piece(NamedTuple):
    """Some bytes of a file, and how many documents end in them."""

    content: bytes
    documents: int = 0


class ExportedFile(NamedTuple):
    """A file of an export. `is_packed` says that compressing it again would be for nothing."""

    name: str
    pieces: AsyncIterator[Piece]
    is_packed: bool = False


Erase: TypeAlias = Callable[[UserId], Awaitable[int]]
Count: TypeAlias = Callable[[UserId], Awaitable[int]]
Export: TypeAlias = Callable[[UserId], AsyncIterator[ExportedFile]]
Halt: TypeAlias = Callable[[UserId], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalStore:
    """One place that holds personal data.

    Attributes:
        name: of the place, as receipts and manifests call it.
        what: what is there, in words for the person.
        because: why it is treated so, in words for the person; said when it is not simply deleted.
        kept_for: how long what is kept, is kept.
        models: labels of the models whose rows these are; none when it is not in the database.
        erase: one bounded batch of the user's; how much that was, 0 when nothing is left. Safe to repeat at any time,
            by two at once, and after a crash in its middle. It raises when the place is away.
        along_with: the place whose `erase` sees to this one.
        count: how much of the user's there is.
        export: the files of an export that show it.
        not_exported: why there are none.
        halt: what must end at once when the account is closed. Safe to repeat.
    """

    name: str
    what: str
    treatment: Treatment
    stage: Stage
    because: str = ""
    kept_for: str = ""
    models: tuple[str, ...] = ()
    erase: Erase | None = None
    along_with: str = ""
    count: Count | None = None
    export: Export | None = None
    not_exported: str = ""
    halt: Halt | None = None

    def __post_init__(self) -> None:
        """Refuse an entry that leaves a question open."""
        if self.treatment is Treatment.KEEP and not (self.because and self.kept_for):
            raise ValueError(f"{self.name}: what is kept has a reason and an end.")
        if self.treatment is Treatment.ANONYMISE and not self.because:
            raise ValueError(f"{self.name}: what is not deleted has a reason.")
        if self.treatment is not Treatment.KEEP and not (self.erase or self.along_with):
            raise ValueError(f"{self.name}: nobody erases it.")
        if self.export is None and not self.not_exported:
            raise ValueError(f"{self.name}: it is exported, or there is a reason why not.")


_stores: Final[dict[str, PersonalStore]] = {}
_impersonal: Final[dict[str, str]] = {}


def register(*stores: PersonalStore) -> None:
    """Add places to the register. An app that is loaded again (Django can) says the same again.

    Raises:
        ValueError: another place has this name.
    """
    for store in stores:
        if store.name in _stores and _stores[store.name].what != store.what:
            raise ValueError(f"{store.name} is in the register already.")
        _stores[store.name] = store


def register_impersonal(*collections: str, because: str) -> None:
    """Collections of which somebody has looked that nothing in them is a person's."""
    _impersonal.update(dict.fromkeys(collections, because))


def personal_stores() -> list[PersonalStore]:
    """All places, in the order in which they are erased."""
    return sorted(_stores.values(), key=lambda store: store.stage)


def impersonal_collections() -> dict[str, str]:
    """The names of collections that hold nothing of a person, each with the reason."""
    return dict(_impersonal)
