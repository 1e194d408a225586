"""Row: whether the time of a failed sign-in tells that an email has an account.

The kinds take turns, each attempt with an email of its own and from an address that has not tried often, so that no
limit is met. What counts is how often somebody who times one attempt of each kind would guess right which was which:
half of the time is chance.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import count

from bson import ObjectId

from tests.bench.findings import Finding, Target, median, percentiles, shown
from tests.bench.latency import Connection
from tests.bench.plans import http_request
from tests.bench.rows.scale import RowScale
from tests.bench.stage import Stage

NAME = "sign-in"
KNOWN, UNKNOWN, INACTIVE = "known email, wrong password", "unknown email", "deactivated account, wrong password"
TARGET_SHARE = 0.57
"""With 300 attempts of each kind, chance itself strays to 0.55 in one of thirty runs."""
WARM_UP = 10
_TRIES_AN_ADDRESS = 30
_WRONG = 401


def measure(stage: Stage, scale: RowScale) -> Finding:
    """Ask, compare."""
    finding = Finding(NAME, "Time of a failed sign-in: known and unknown emails")
    times: dict[str, list[float]] = {KNOWN: [], UNKNOWN: [], INACTIVE: []}
    with stage.product("sign-in") as server:
        _add_people(stage, server.port, scale.sign_ins + WARM_UP)
        connections = _connections(server.port)
        for number in range(-WARM_UP, scale.sign_ins):
            for kind, taken in times.items():
                body = {"email": _email(kind, number), "password": "not the password"}
                reply = next(connections).ask(
                    http_request("POST", "/api/v1/auth/login", server.port, body=body).encode()
                )
                if reply.status != _WRONG:
                    finding.errors.append(f"{kind}: status {reply.status}")
                if number >= 0:
                    taken.append(reply.took_ms)
    _tell(finding, times)
    return finding


def right_guesses(ours: list[float], others: list[float]) -> float:
    """How often the better of the two rules "the slower is ours", "the faster is ours" is right over all pairs."""
    ordered = sorted(others)
    slower = sum((bisect_left(ordered, took) + bisect_right(ordered, took)) / 2 for took in ours)
    share = slower / (len(ours) * len(others))
    return max(share, 1 - share)


def _email(kind: str, number: int) -> str:
    return f"{kind.split(maxsplit=1)[0]}-{number}@timed.example.org"


def _add_people(stage: Stage, port: int, many: int) -> None:
    """Copies of one whom the product wrote, with the same password under the same cost."""
    template = stage.database.users.find_one({"_id": stage.new_user(port).id})
    people = [
        {**template, "_id": ObjectId(), "email": _email(kind, number), "is_active": kind == KNOWN}
        for kind in (KNOWN, INACTIVE)
        for number in range(-WARM_UP, many)
    ]
    stage.database.users.insert_many(people)


def _connections(port: int) -> Iterator[Connection]:
    for number in count(1):
        connection = Connection(port, f"127.77.{number // 250}.{number % 250 + 1}")
        for _ in range(_TRIES_AN_ADDRESS):
            yield connection
        connection.close()


def _tell(finding: Finding, times: dict[str, list[float]]) -> None:
    lines = [["failed sign-in", "p50", "p95", "guessed right by who compares it with an unknown email"]]
    shares = {kind: right_guesses(taken, times[UNKNOWN]) for kind, taken in times.items() if kind != UNKNOWN}
    for kind, taken in times.items():
        share = f"{shares[kind]:.0%}" if kind in shares else ""
        lines.append([kind, *(shown(value, "ms") for value in percentiles(taken, 0.5, 0.95)), share])
        finding.numbers[kind] = {"p50_ms": median(taken), "attempts": len(taken), "guessed": shares.get(kind)}
    finding.tables = [lines]
    finding.targets = [
        Target(f"{kind}: right guesses from one attempt each", share, TARGET_SHARE, "")
        for kind, share in shares.items()
    ]
    finding.sentence = (
        f"Who times a failed sign-in guesses in {max(shares.values()):.0%} of the cases whether there is an account; "
        "chance is 50 %"
    )
    finding.notes = [
        (
            f"{len(times[KNOWN])} attempts of each kind in turns, each with an email of its own. A right guess is "
            "counted for the better of two rules: the slower attempt is the account's, or the faster."
        )
    ]
