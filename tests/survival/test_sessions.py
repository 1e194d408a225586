"""Access that ends on one worker ends on all."""

import asyncio
import time
from typing import Any

import pytest
from redis.exceptions import RedisError

from tests.people import PASSWORD, Person
from tests.survival.stage import Stage, freeze, thaw, until

NOT_SIGNED_IN = 4401


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
            async with asyncio.timeout(5):
                assert await socket.close_code() == NOT_SIGNED_IN
            record_property("socket closed after, s", round(time.monotonic() - revoked_at, 3))
            await until(lambda: is_refused(there), within_s=5)
            record_property("requests refused after, s", round(time.monotonic() - revoked_at, 3))
        stage.model.go_on(tale)
    assert (await ann.at_rest(run["id"]))["status"] == "complete"  # an answer is not cut by it


async def test_a_session_that_is_revoked_while_redis_is_away_loses_its_sockets_when_it_is_back(
    stage: Stage, ann: Person, record_property: Any
) -> None:
    phone = await ann.ok("POST", "/auth/login", json={"email": ann.email, "password": PASSWORD})
    async with ann.at(stage.workers[1].address, phone) as there, there.device() as device:
        session = await there.session_id()
        await until(lambda: is_heard(stage, session))
        await asyncio.to_thread(stage.valkey.kill)
        async with ann.at(stage.workers[0].address) as here:
            await here.ok("DELETE", f"/auth/sessions/{session}", 204)
        await asyncio.to_thread(stage.valkey.start)
        back_at = time.monotonic()
        async with asyncio.timeout(20):  # unasked, it would stay for half a minute
            assert await device.close_code() == NOT_SIGNED_IN
        record_property("socket closed after Redis was back, s", round(time.monotonic() - back_at, 3))


async def is_heard(stage: Stage, session: str) -> bool:
    """Whether Redis knows of somebody who listens for the end of this session."""
    try:
        return any(session in name.decode() for name in await stage.redis.pubsub_channels())
    except RedisError:
        return False  # our own connection is from before the restart


async def is_refused(tab: Person) -> bool:
    return (await tab.http.get("/conversations")).status_code == 401
