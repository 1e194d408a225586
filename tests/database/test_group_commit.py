"""Group commit: fewer commands, and to each writer just what it would have been told alone."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from bson import ObjectId
from pymongo.errors import AutoReconnect, DocumentTooLarge, DuplicateKeyError, WriteError

from eloquent.foundation import group_commit
from eloquent.foundation.database import database
from eloquent.foundation.logs import request_id_var

pytestmark = pytest.mark.django_db(transaction=True)

COLLECTION = "group_commit_test"


@pytest_asyncio.fixture(autouse=True)
async def emptied(db: None) -> None:
    await database()[COLLECTION].delete_many({})


async def commands(name: str) -> int:
    """How many of them mongod has had."""
    status = await database().client.admin.command("serverStatus")
    total: int = status["metrics"]["commands"][name]["total"]
    return total


async def stored() -> dict[Any, Any]:
    return {document["_id"]: document["n"] async for document in database()[COLLECTION].find()}


@pytest.mark.parametrize("soon", [False, True])
async def test_writes_of_one_moment_go_together(soon: bool) -> None:
    inserts, updates = await commands("insert"), await commands("update")
    await asyncio.gather(*(group_commit.insert(COLLECTION, [{"_id": n, "n": 0}], soon=soon) for n in range(50)))
    found = await asyncio.gather(
        *(group_commit.update(COLLECTION, {"_id": n}, {"$inc": {"n": n}}, soon=soon) for n in range(50))
    )
    assert found == [True] * 50
    assert await stored() == {n: n for n in range(50)}
    assert await commands("insert") - inserts == 2  # the first alone, and all that came meanwhile
    assert await commands("update") - updates == 2


async def test_what_is_written_together_is_not_in_the_trace_of_who_came_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whose = []
    outcomes = group_commit._Lane._outcomes

    async def noted(*arguments: Any) -> Any:
        whose.append(request_id_var.get())
        return await outcomes(*arguments)

    monkeypatch.setattr(group_commit._Lane, "_outcomes", noted)
    token = request_id_var.set("the-first-one")
    await asyncio.gather(*(group_commit.insert(COLLECTION, [{"_id": n, "n": n}]) for n in range(5)))
    request_id_var.reset(token)
    assert whose == [None]


async def test_more_than_fit_in_one_command_are_all_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "MOST_TOGETHER", 7)
    await asyncio.gather(*(group_commit.insert(COLLECTION, [{"_id": n, "n": n}]) for n in range(30)))
    assert await stored() == {n: n for n in range(30)}


async def test_a_key_that_is_taken_is_told_to_its_writer_alone() -> None:
    await group_commit.insert(COLLECTION, [{"_id": 3, "n": "first"}])
    pairs = [[{"_id": n, "n": "new"}, {"_id": f"{n} too", "n": "new"}] for n in range(6)]
    told = await asyncio.gather(*(group_commit.insert(COLLECTION, pair) for pair in pairs), return_exceptions=True)
    assert [type(one) for one in told] == [type(None)] * 3 + [DuplicateKeyError] + [type(None)] * 2
    assert (await stored())[3] == "first"
    assert len(await stored()) == 12  # the pair of the refused one was written: it is its writer's to take back


async def test_an_update_that_finds_nothing_says_so_and_the_others_do_not() -> None:
    await group_commit.insert(COLLECTION, [{"_id": n, "n": 0} for n in range(6) if n != 4])
    found = await asyncio.gather(*(group_commit.update(COLLECTION, {"_id": n}, {"$inc": {"n": 1}}) for n in range(6)))
    assert found == [True] * 4 + [False, True]
    assert set((await stored()).values()) == {1}


async def test_an_update_that_is_refused_is_told_to_its_writer_alone() -> None:
    await group_commit.insert(COLLECTION, [{"_id": n, "n": "text" if n == 2 else 0} for n in range(5)])
    told = await asyncio.gather(
        *(group_commit.update(COLLECTION, {"_id": n}, {"$inc": {"n": 1}}) for n in (*range(5), "nobody")),
        return_exceptions=True,
    )
    assert told[:2] == [True, True]
    assert isinstance(told[2], WriteError)
    assert told[3:] == [True, True, False]


async def test_a_document_that_cannot_be_sent_does_not_take_the_others_with_it() -> None:
    texts = ["", "", "x" * 17_000_000, ""]
    told = await asyncio.gather(
        *(group_commit.insert(COLLECTION, [{"_id": n, "n": text}]) for n, text in enumerate(texts)),
        return_exceptions=True,
    )
    assert [type(one) for one in told] == [type(None), type(None), DocumentTooLarge, type(None)]
    assert list(await stored()) == [0, 1, 3]


async def test_whoever_leaves_holds_nobody_up() -> None:
    first, gone, last = (
        asyncio.create_task(group_commit.insert(COLLECTION, [{"_id": n, "n": n}])) for n in ("first", "gone", "last")
    )
    await asyncio.sleep(0)
    first.cancel()
    gone.cancel()
    await last
    assert "last" in await stored()
    assert "gone" not in await stored()
    await group_commit.insert(COLLECTION, [{"_id": "later", "n": 0}])


async def test_a_connection_that_breaks_is_told_to_all_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    collection = type(database()[COLLECTION])

    async def broken(*_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise AutoReconnect("gone")

    with monkeypatch.context() as patched:
        patched.setattr(collection, "insert_one", broken)
        patched.setattr(collection, "insert_many", broken)
        told = await asyncio.gather(
            *(group_commit.insert(COLLECTION, [{"_id": ObjectId(), "n": 0}]) for _ in range(4)), return_exceptions=True
        )
    assert [type(one) for one in told] == [AutoReconnect] * 4
    assert await stored() == {}
    await asyncio.gather(*(group_commit.insert(COLLECTION, [{"_id": n, "n": n}]) for n in range(3)))
    assert len(await stored()) == 3
