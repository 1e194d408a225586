"""A world that is written once and put back after each call that changed it: writing it anew takes a second."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from eloquent.foundation.database import database
from tests.commands import Command
from tests.database.store_cases import World

WRITES = {"insert", "update", "delete", "findAndModify"}


class KeptWorld:
    """The world, and every document of its database as it was written."""

    def __init__(self, world: World, documents: dict[str, list[dict[str, Any]]]) -> None:
        self.world = world
        self._documents = documents

    async def put_back(self, commands: list[Command]) -> None:
        """Undo what these commands wrote."""
        for collection in {command.collection for command in commands if command.name in WRITES}:
            await database()[collection].delete_many({})
            if documents := self._documents.get(collection):
                await database()[collection].insert_many(documents)


@asynccontextmanager
async def kept_world() -> AsyncIterator[KeptWorld]:
    """A world in an empty database; whoever called for the database empties it."""
    world = World()
    await world.write()
    names = await database().list_collection_names()
    yield KeptWorld(world, {name: await database()[name].find({}).to_list() for name in names if "system." not in name})
