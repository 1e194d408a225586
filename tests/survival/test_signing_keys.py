"""Keys are changed by command while two workers serve: nobody is refused, but for those who use a revoked one."""

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from typing import Any

import httpx
import jwt

from eloquent.embedded.programs import project_environment
from tests.people import PASSWORD, Person
from tests.survival.stage import Stage, until
from tests.survival.workers import NOTHING_SET

# More than the three seconds at which workers read the keys, on a machine that has much to do.
PUBLISHED_FOR_S = 6


async def command(stage: Stage, *arguments: str) -> str:
    """What `manage.py jwt` prints, run as an operator does: in a process of its own."""
    environment = project_environment(
        {**NOTHING_SET, **stage.settings(), "DJANGO_SETTINGS_MODULE": "eloquent.settings"}
    )
    run = [sys.executable, "-m", "django", "jwt", *arguments]
    done = await asyncio.to_thread(
        subprocess.run, run, env=environment, cwd=stage.directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


class Traffic:
    """A user's tabs at both workers: each refreshes here, asks there, and opens sockets, again and again."""

    def __init__(self, stage: Stage, refresh_token: str, access_token: str) -> None:
        self._stage = stage
        self._refresh_token = refresh_token
        self.access_token = access_token
        self.statuses: list[int] = []
        self.kids: set[str] = {kid_of(access_token)}
        self.published_before: dict[str, bool] = {}

    async def go_on(self) -> None:
        """Until cancelled."""
        async with httpx.AsyncClient(timeout=20) as client:
            while True:
                await asyncio.sleep(0.06)  # ten refreshes a second are let through
                for refreshing, asked in ((0, 1), (1, 0)):
                    await self._refresh(client, self._stage.workers[refreshing].address)
                    for address in (self._stage.workers[asked].address, self._stage.workers[refreshing].address):
                        await self._ask(client, "GET", f"{address}/api/v1/me")
                        await self._ask(client, "POST", f"{address}/api/v1/auth/socket-ticket")

    async def _refresh(self, client: httpx.AsyncClient, address: str) -> None:
        body = {"refresh_token": self._refresh_token}
        answer = await client.post(f"{address}/api/v1/auth/refresh", json=body)
        self.statuses.append(answer.status_code)
        assert answer.status_code == 200, answer.text
        grant = answer.json()
        self._refresh_token, self.access_token = grant["refresh_token"], grant["access_token"]
        kid = kid_of(self.access_token)
        if kid not in self.kids:
            # The first token of a new key: whoever asks now finds the key everywhere.
            jwks = [await client.get(f"{worker.address}/.well-known/jwks.json") for worker in self._stage.workers]
            self.published_before[kid] = all(kid in each.text for each in jwks)
            self.kids.add(kid)

    async def _ask(self, client: httpx.AsyncClient, method: str, url: str) -> None:
        headers = {"Authorization": f"Bearer {self.access_token}"}
        answer = await client.request(method, url, headers=headers)
        if answer.status_code != 429:  # tickets are counted
            self.statuses.append(answer.status_code)


async def test_keys_are_rotated_and_revoked_under_way_and_nobody_is_signed_out(
    stage: Stage, ann: Person, record_property: Any
) -> None:
    grant = await ann.ok("POST", "/auth/login", json={"email": ann.email, "password": PASSWORD})
    traffic = Traffic(stage, grant["refresh_token"], grant["access_token"])
    first_token = grant["access_token"]
    going_on = asyncio.create_task(traffic.go_on())
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(ann.at(worker.address)) for worker in stage.workers]
        sockets = [await stack.enter_async_context(tab.socket()) for tab in tabs]
        slow = (await command(stage, "rotate", "--after", str(PUBLISHED_FOR_S))).split()[1]
        await until(lambda: has_signed(traffic, going_on, slow), within_s=30)
        assert traffic.published_before[slow]
        quick = (await command(stage, "rotate", "--now")).split()[1]
        await until(lambda: has_signed(traffic, going_on, quick), within_s=30)
        asked = len(traffic.statuses)
        await until(lambda: has_asked(traffic, going_on, asked + 40), within_s=30)
        record_property("requests while keys changed", len(traffic.statuses))
        assert set(traffic.statuses) <= {200, 201}, "nobody was refused"
        assert len(traffic.kids) == 3
        for number, (tab, socket) in enumerate(zip(tabs, sockets, strict=True)):
            await socket.send(type="resume", requestId=f"r{number}", id=await tab.conversation())
            assert (await socket.frame())["type"] == "no-active", "sockets do not mind"
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)

        forged = traffic.access_token
        assert kid_of(forged) == quick
        await command(stage, "revoke", quick)
        for worker in stage.workers:
            await until(lambda at=worker.address: status(at, forged, 401), within_s=10)
            assert await status(worker.address, first_token, 200), "other keys are as they were"
        assert await asyncio.gather(*(socket.close_code() for socket in sockets)) == [1013] * 2
    # Whoever was refused refreshes, and goes on with a key that was made meanwhile, at either worker.
    again = Traffic(stage, traffic._refresh_token, forged)
    going_on = asyncio.create_task(again.go_on())
    await until(lambda: has_asked(again, going_on, 20), within_s=30)
    going_on.cancel()
    await asyncio.gather(going_on, return_exceptions=True)
    assert set(again.statuses) <= {200, 201}
    assert quick != kid_of(again.access_token)


async def has_signed(traffic: Traffic, going_on: "asyncio.Task[None]", kid: str) -> bool:
    assert not going_on.done(), going_on
    return kid in traffic.kids


async def has_asked(traffic: Traffic, going_on: "asyncio.Task[None]", many: int) -> bool:
    assert not going_on.done(), going_on
    return len(traffic.statuses) >= many


async def status(address: str, token: str, expected: int) -> bool:
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.get(f"{address}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code == expected
