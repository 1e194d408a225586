"""Row: what an idle socket costs the server in memory, alone and with the notices that Redis carries."""

import time
from dataclasses import dataclass

from tests.bench.charts import Bars, Series
from tests.bench.descriptors import allow_many
from tests.bench.findings import Finding, Target, shown
from tests.bench.processes import Memory, memory_of
from tests.bench.rows.scale import RowScale
from tests.bench.sockets import IdleSockets, SocketRefusedError, opened_evenly
from tests.bench.stage import Stage, say

NAME = "idle-socket"
TARGET_KB = 60.0
# A user may have 32 at once, and the warm-up opens some, too.
SOCKETS_OF_A_USER = 28
SETTLED_BYTES = 256 * 1024
SETTLES_WITHIN_S = 12.0
WARM_UP_SOCKETS = 4
WAYS = {"one process": False, "with Redis": True}
KINDS = ("pss", "uss", "rss")


@dataclass(slots=True)
class _Growth:
    """The server's memory before and with the sockets, and when they were gone again."""

    before: Memory
    open: Memory
    after: Memory
    sockets: int

    def kb_each(self, kind: str) -> float:
        """Thousands of bytes for each socket."""
        grown: int = getattr(self.open, kind) - getattr(self.before, kind)
        return grown / self.sockets / 1000


def measure(stage: Stage, scale: RowScale) -> Finding:
    """Open them, wait until the memory is steady, look."""
    allow_many()
    finding = Finding(NAME, f"An idle socket, of {scale.sockets:,}")
    growths: dict[str, _Growth] = {}
    for way, with_redis in WAYS.items():
        say(f"{NAME}: {way}")
        with stage.product(f"sockets-{way.replace(' ', '-')}", with_redis=with_redis) as started:
            try:
                growths[way] = _grown(stage, scale, started.port, started.pid)
            except SocketRefusedError as error:
                finding.errors.append(f"{way}: {error}")
    _tell(finding, scale, growths)
    return finding


def _grown(stage: Stage, scale: RowScale, port: int, pid: int) -> _Growth:
    users = stage.users(port, max(2, -(-scale.sockets // SOCKETS_OF_A_USER)))
    sockets = IdleSockets()
    try:
        # What is made once with the first socket is not the sockets' own.
        sockets.open(port, users[-1], WARM_UP_SOCKETS)
        before = _settled(pid, sockets)
        for user, count in zip(users, opened_evenly(scale.sockets, users), strict=True):
            sockets.open(port, user, count)
            sockets.answer_pings()
        full = _settled(pid, sockets)
    finally:
        sockets.close()
    return _Growth(before, full, _settled(pid, IdleSockets()), scale.sockets)


def _settled(pid: int, sockets: IdleSockets) -> Memory:
    """The memory once it has stopped changing."""
    last = memory_of(pid)
    deadline = time.monotonic() + SETTLES_WITHIN_S
    while time.monotonic() < deadline:
        for _ in range(4):
            time.sleep(0.25)
            sockets.answer_pings()
        now = memory_of(pid)
        if abs(now.uss - last.uss) < SETTLED_BYTES:
            return now
        last = now
    return last


def _tell(finding: Finding, scale: RowScale, growths: dict[str, _Growth]) -> None:
    lines = [["", "PSS", "USS", "RSS", "left when all are closed (PSS)"]]
    for way, growth in growths.items():
        each = {kind: growth.kb_each(kind) for kind in KINDS}
        left_kb = (growth.after.pss - growth.before.pss) / growth.sockets / 1000
        lines.append([way, *(shown(value, "KB") for value in each.values()), shown(left_kb, "KB")])
        finding.numbers[way] = {f"{kind}_kb_each": value for kind, value in each.items()} | {
            "left_kb_each": left_kb,
            "sockets": growth.sockets,
            "before_bytes": growth.before.pss,
            "open_bytes": growth.open.pss,
        }
        finding.targets.append(
            Target(f"an idle socket, {way}, growth of the server's memory", max(each.values()), TARGET_KB, "KB")
        )
    finding.tables = [lines]
    said = " and ".join(f"{shown(growth.kb_each('pss'))} KB ({way})" for way, growth in growths.items())
    finding.sentence = f"An idle socket costs the server {said}"
    finding.notes = [
        (
            f"{scale.sockets:,} sockets are opened with a ticket each, {SOCKETS_OF_A_USER} a user, offering "
            "compression as browsers do, and say nothing but pongs. The growth of one process is divided by "
            "their number; the target is for the largest of the three counts. A KB is 1,000 bytes."
        ),
        "The kernel's own buffers and what a proxy in front holds are not the process's memory and are not in it.",
    ]
    finding.charts = [
        Bars(
            NAME,
            finding.sentence,
            f"growth of the server's memory for each of {scale.sockets:,} sockets; dashed: target",
            "KB a socket",
            list(growths),
            [Series(kind.upper(), [growth.kb_each(kind) for growth in growths.values()]) for kind in KINDS],
            [TARGET_KB for _ in growths],
        )
    ]
