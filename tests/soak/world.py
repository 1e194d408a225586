"""What happens in a soak: people who ask and read, come and go and stop; workers that die, leave and come back."""

import asyncio
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.people import Person
from tests.soak.vitals import Vitals
from tests.survival.reader import Broken, Reader, Refused
from tests.survival.stage import Stage
from tests.survival.tales import Tale
from tests.survival.workers import Worker

STREAMS_OF_A_PERSON = 8
TURNS_OF_A_CONVERSATION = 4
# A person tries that long to be answered at all; a stream may take that long from its question to its end.
PATIENCE_S = 60.0
END_PATIENCE_S = 180.0
_AGAIN_AFTER_S = 0.3
_TRY_AGAIN = {409, 429, 502, 503}


@dataclass
class Asked:
    """A question that was let in, and all who read its answer."""

    tale: Tale
    run: dict[str, Any]
    readers: list[Reader] = field(default_factory=list)
    stop_wanted: bool = False


@dataclass(frozen=True)
class Scale:
    """How much happens."""

    seconds: float
    streams: int
    seed: int
    tokens: tuple[int, int] = (20, 160)
    per_s: tuple[float, float] = (2.0, 6.0)
    between_blows_s: tuple[float, float] = (8.0, 25.0)


class World:
    """One soak on a stage that stands. `faults` are the sentences that make it fail."""

    def __init__(self, stage: Stage, scale: Scale, vitals: Vitals) -> None:
        self.stage = stage
        self.scale = scale
        self.vitals = vitals
        self.asked: list[Asked] = []
        self.faults: list[str] = []
        self.events: Counter[str] = Counter()
        self._dice = random.Random(scale.seed)
        self._until = 0.0
        self._blows_over = asyncio.Event()

    async def run(self) -> None:
        """All of it, up to the moment when every answer has ended and every worker is up."""
        self._until = time.monotonic() + self.scale.seconds
        people = await self._people()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._strike())
            for number in range(self.scale.streams):
                dice = random.Random(self._dice.random())
                group.create_task(self._guarded(self._ask_and_read(people[number % len(people)], dice), "a stream"))
        for person in people:
            await person.__aexit__(None, None, None)

    async def _people(self) -> list[Person]:
        count = max(1, self.scale.streams // STREAMS_OF_A_PERSON)
        people = [Person(self.stage.url, f"soak-{number}") for number in range(count)]
        for person in people:
            person.http = httpx.AsyncClient(
                base_url=f"{self.stage.url}/api/v1", timeout=30, limits=httpx.Limits(max_connections=None)
            )
            await person.__aenter__()
        return people

    async def _guarded(self, work: Any, what: str) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said in the report and the others go on
            self.faults.append(f"{what} broke off: {type(error).__name__}: {error}")

    async def _ask_and_read(self, person: Person, dice: random.Random) -> None:
        """One stream after the other, in one conversation after the other."""
        await asyncio.sleep(dice.uniform(0, min(10.0, self.scale.seconds / 4)))  # not all in one moment
        while time.monotonic() < self._until:
            conversation = (await self._insist(person, "POST", "/conversations", 201, json={}))["id"]
            for _ in range(dice.randrange(1, TURNS_OF_A_CONVERSATION + 1)):
                if time.monotonic() < self._until:
                    await self._one_turn(person, conversation, dice)

    async def _one_turn(self, person: Person, conversation: str, dice: random.Random) -> None:
        tale = self.stage.tale(
            tokens=dice.randrange(*self.scale.tokens), per_s=round(dice.uniform(*self.scale.per_s), 2)
        )
        run = await self._insist(
            person,
            "POST",
            f"/conversations/{conversation}/runs",
            202,
            json={"parts": [{"type": "text", "text": tale.question}]},
            headers={"Idempotency-Key": f"tale-{tale.number}"},
        )
        asked = Asked(tale, run)
        self.asked.append(asked)
        self.events["answers asked for"] += 1
        asked.readers = [
            Reader(self.stage.url, person.tokens["access_token"], run["id"]) for _ in range(dice.choice([1, 1, 1, 2]))
        ]
        work = [self._read(reader, random.Random(dice.random())) for reader in asked.readers]
        if dice.random() < 0.08:
            work.append(self._stop(person, asked, dice))
        async with asyncio.timeout(END_PATIENCE_S):
            await asyncio.gather(*work)

    async def _read(self, reader: Reader, dice: random.Random) -> None:
        while not reader.done:
            leaves = dice.random() < 0.5
            try:
                await reader.read(whole=dice.random() < 0.2, leave_after=dice.randrange(1, 60) if leaves else None)
                self.events["readers left and came back"] += not reader.done
            except Broken:
                self.events["connections broken"] += 1
                await asyncio.sleep(_AGAIN_AFTER_S)
            except Refused as error:
                if error.status not in _TRY_AGAIN:
                    raise
                self.events[f"readings refused with {error.status}"] += 1
                await asyncio.sleep(_AGAIN_AFTER_S)

    async def _stop(self, person: Person, asked: Asked, dice: random.Random) -> None:
        await asyncio.sleep(dice.uniform(0, asked.tale.tokens / asked.tale.per_s))
        asked.stop_wanted = True
        self.events["stops"] += 1
        await self._insist(person, "POST", f"/runs/{asked.run['id']}/stop", 200)

    async def _insist(self, person: Person, method: str, path: str, status: int, **options: Any) -> Any:
        """Try until it is done: a worker may be dying or leaving."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await person.http.request(method, path, **options)
                except httpx.TransportError:
                    self.events["requests broken off"] += 1
                else:
                    if answer.status_code == status:
                        return answer.json()
                    if answer.status_code not in _TRY_AGAIN:
                        raise AssertionError(f"{method} {path} was answered {answer.status_code}: {answer.text[:300]}")
                    self.events[f"requests refused with {answer.status_code}"] += 1
                await asyncio.sleep(_AGAIN_AFTER_S)

    async def _strike(self) -> None:
        """Kill, send away and restart workers at random. The first one is spared for most of the time: its memory
        shows what a long life does.
        """
        spared_until = time.monotonic() + 0.9 * self.scale.seconds
        while (left := self._until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, self._dice.uniform(*self.scale.between_blows_s)))
            if time.monotonic() >= self._until:
                break
            spared = time.monotonic() < spared_until
            victim = self._dice.choice(self.stage.workers[1:] if spared else self.stage.workers)
            await self._guarded(self._fell(victim), "a blow")
            await asyncio.sleep(self._dice.uniform(0, 3))
            await self._guarded(victim.begin(), "a restart")

    async def _fell(self, worker: Worker) -> None:
        how = self._dice.choice(["killed", "killed", "sent away", "sent away and hurried"])
        self.events[f"workers {how}"] += 1
        if how == "killed":
            await worker.die()
            return
        worker.signal(signal.SIGTERM)
        gone = asyncio.ensure_future(worker.until_gone())
        if how == "sent away and hurried":
            await asyncio.wait([gone], timeout=self._dice.uniform(0.5, 5))
            if not gone.done():
                worker.signal(signal.SIGTERM)
        await gone
