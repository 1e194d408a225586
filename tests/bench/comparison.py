"""What an answer and a list cost the product, beside FastAPI + httpx + AsyncMongoClient doing the same work.

Each round does every measure with one server and then with the other; the ratio of a measure is the median of its
rounds' ratios. CPU is that of the server and of mongod, without what mongod uses when idle.
"""

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from eloquent.embedded.mongod import Mongod
from tests.bench.answers import ANSWERS, question, text_of
from tests.bench.eloquent_side import EloquentSide, eloquent_side
from tests.bench.peer_side import PeerSide, peer_side
from tests.bench.plans import ListName, Load, Plan, Side, UserPlan, Wire, http_request, source_of
from tests.bench.rounds import Measure, Meter, Row, Window
from tests.bench.servers import PROJECT, awake, paused, running
from tests.bench.stage import say


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done. Requests are a user's in one window."""

    users: int = 20
    rounds: int = 5
    burst: int = 8
    lists: int = 40
    tokens_per_s: float = 50.0
    idle_s: float = 3.0
    no_new_round_after_s: float = 180.0


FULL = Scale()
QUICK = Scale(rounds=1, burst=5, lists=25, idle_s=1.0)
SMOKE = Scale(users=2, rounds=1, burst=2, lists=2, tokens_per_s=2000.0, idle_s=0.1)


def measures(scale: Scale) -> list[Measure]:
    """The rows, with design targets."""
    burst = Load(scale.burst)
    # Users ask a token's time and a little more after one another: no two of their tokens come in the same instant, so
    # that each is a wake-up of its own, as with real users, and no first token waits for another user's question.
    paced = Load(1, stagger_s=(1 + 1 / scale.users) / scale.tokens_per_s)
    lists = Load(scale.lists, warm_up=2)

    def answers(title: str, wire: Wire, model: str, load: Load, target: float) -> Measure:
        return Measure(title, lambda side: side.answers(wire, model, load), target)

    def listed(name: ListName) -> Measure:
        return Measure(f"list of 30 {name}", lambda side: side.lists(name, lists), 1.0, by_rate=True)

    return [
        answers("answer as SSE, burst", "http", "bench-burst", burst, 0.35),
        answers("answer as SSE, paced", "http", "bench-paced", paced, 0.6),
        answers("answer over a socket, burst", "socket", "bench-burst", burst, 0.5),
        answers("answer over a socket, paced", "socket", "bench-paced", paced, 0.7),
        listed("conversations"),
        listed("messages"),
    ]


def upstream_plan(port: int, model: str, load: Load, users: int) -> Plan:
    """The same questions put to the language model itself: the limit of any relay."""
    plans = []
    for user in range(users):
        exchanges = []
        for number in range(load.each):
            answer = (user + number) % ANSWERS
            body = {"model": model, "messages": [{"role": "user", "content": question(answer)}]}
            exchanges.append((http_request("POST", "/api/chat", port, body=body), text_of(answer)))
        plans.append(UserPlan(source_of(user), exchanges))
    return Plan("http", "ollama", port, plans, load.warm_up, load.stagger_s)


def run(scale: Scale, *, sides_wanted: tuple[str, ...], directory: Path) -> tuple[list[Row], Window]:
    """Do all rounds. Gives the rows, and the window of the upstream alone."""
    started = time.monotonic()
    with ExitStack() as stack:
        mongod = stack.enter_context(Mongod(directory / "mongod"))
        meter = Meter(mongod.pid)
        meter.learn_idle(scale.idle_s)
        say(f"mongod with nobody connected: {meter.idle_mongod_ms_per_s:.1f} ms of CPU a second, taken off")
        arguments = ["-m", "tests.bench.upstream", "--tokens-per-s", str(scale.tokens_per_s)]
        upstream = stack.enter_context(running("upstream", arguments, environment(), directory))
        sides: list[Side] = []
        if EloquentSide.name in sides_wanted:
            sides.append(stack.enter_context(eloquent_side(mongod.address, upstream.port, directory, scale.users)))
        if PeerSide.name in sides_wanted:
            sides.append(stack.enter_context(peer_side(mongod.address, upstream.port, directory, scale.users)))
        alone = meter.window(upstream_plan(upstream.port, "bench-burst", Load(scale.burst), scale.users), upstream.pid)
        for side in sides:
            stack.enter_context(paused(side.pid))
        rows = [Row(measure, {side.name: [] for side in sides}) for measure in measures(scale)]
        for number in range(scale.rounds):
            if time.monotonic() - started > scale.no_new_round_after_s:
                break
            for row in rows:
                for side in sides:
                    with awake(side.pid):
                        window = meter.window(row.measure.plan(side), side.pid, side.not_saved)
                    row.windows[side.name].append(window)
                    say(f"round {number + 1}, {side.name}, {row.measure.title}: {window.cpu_ms:.2f} ms")
    return rows, alone


def environment() -> dict[str, str]:
    """For processes that import the project."""
    return os.environ | {"PYTHONPATH": str(PROJECT)}
