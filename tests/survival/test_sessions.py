"""Access that ends on one worker ends on all."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from bson import ObjectId
from redis.exceptions import RedisError

from eloquent.foundation.clock import now
from tests.people import PASSWORD, Person
from tests.survival.stage import Stage, freeze, thaw, until

NOT_SIGNED_IN = 4401
# The machine has other things to do; `tests/chat/test_admitted.py` holds the second.
CLOSED_WITHIN_S = 20


@pytest.mark.parametrize("redis", ["as ever", "killed and started again", "frozen for a while"])
async def test_a_session_revoked_on_one_worker_closes_its_sockets_and_ends_its_access_on_the_other(
    stage: Stage, ann: Person, redis: str, record_property: Any
) -> None:
    if redis == "killed and started again":
        await asyncio.to_thread(stage.valkey.kill)
        await asyncio.to_thread(stage.valkey.start)
    elif redis == "frozen for a while":
        freeze(stage.valkey)
        await asyncio.sleep(4)  # longer than anyone waits for its answers
        thaw(stage.valkey)
    phone = await ann.ok("POST", "/auth/login", json={"email": ann.email, "password": PASSWORD})
    async with ann.at(stage.workers[1].address, phone) as there:
        tale = stage.tale(waits=(20,))
        conversation = await there.conversation()
        run = await there.ask(conversation, tale.question)
        async with there.socket() as socket:
            await socket.send(type="resume", requestId="r", id=conversation)
            await socket.frame()
            session = await there.session_id()
            await until(lambda: is_heard(stage, session))
            async with ann.at(stage.workers[0].address) as here:
                await here.ok("DELETE", f"/auth/sessions/{session}", 204)
            revoked_at = time.monotonic()
            async with asyncio.timeout(CLOSED_WITHIN_S):
                assert await socket.close_code() == NOT_SIGNED_IN
            record_property("socket closed after, s", round(time.monotonic() - revoked_at, 3))
            await until(lambda: is_refused(there))
            record_property("requests refused after, s", round(time.monotonic() - revoked_at, 3))
        stage.model.go_on(tale)
    assert (await ann.at_rest(run["id"]))["status"] == "complete"  # an answer is not cut by it


@pytest.mark.parametrize("redis", ["as ever", "away"])
@pytest.mark.parametrize("change", ["session revoked", "user deactivated"])
async def test_what_only_the_database_knows_closes_the_sockets_of_every_worker(
    stage: Stage, ann: Person, redis: str, change: str, record_property: Any
) -> None:
    """As when staff change many at once, or whoever has changed it dies before he could tell anybody."""
    phone = await ann.ok("POST", "/auth/login", json={"email": ann.email, "password": PASSWORD})
    async with AsyncExitStack() as stack:
        sockets = []
        for worker in stage.workers:
            tab = await stack.enter_async_context(ann.at(worker.address, phone))
            sockets.append(await stack.enter_async_context(tab.socket()))
        session = ObjectId(await tab.session_id())
        if redis == "away":
            await asyncio.to_thread(stage.valkey.kill)
        if change == "session revoked":
            changed = stage.database["sessions"].update_one({"_id": session}, {"$set": {"revoked_at": now()}})
        else:
            changed = stage.database["users"].update_one({"email": ann.email}, {"$set": {"is_active": False}})
        assert (await changed).modified_count == 1
        changed_at = time.monotonic()
        async with asyncio.timeout(CLOSED_WITHIN_S):
            assert await asyncio.gather(*(socket.close_code() for socket in sockets)) == [NOT_SIGNED_IN] * 2
        record_property("sockets closed after, s", round(time.monotonic() - changed_at, 3))
        await until(lambda: is_refused(tab))  # what a request learned is believed for a second


async def is_heard(stage: Stage, session: str) -> bool:
    """Whether Redis knows of somebody who listens for the end of this session."""
    try:
        return any(session in name.decode() for name in await stage.redis.pubsub_channels())
    except RedisError:
        return False  # our own connection is from before the restart


async def is_refused(tab: Person) -> bool:
    return (await tab.http.get("/conversations")).status_code == 401
