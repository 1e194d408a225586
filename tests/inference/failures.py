"""What becomes of an answer when its model server is killed, frozen or slow: each failure at each stage, as a row.

`test_failing_servers.py` makes them happen to a real process, for every provider, and holds the router to the rows;
the table in docs/decisions/0028-when-a-model-server-fails.md is made of them.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from tests.fakes.model_server import Manner
from tests.fakes.wires import KINDS


class Act(StrEnum):
    """What happens to the server's process."""

    KILLED = "killed"
    FROZEN = "frozen"
    SLOW = "slow"
    """Slower than the patience with it: no signal, only waiting."""


class Stage(StrEnum):
    """How far the answer has come by then."""

    CONNECT = "before it is asked"
    HEADERS = "asked, before its headers"
    TOKENS = "between two tokens"
    END = "all words there, before its last line"


class Billed(StrEnum):
    """What is in the ledger afterwards."""

    NOTHING = "nothing"
    PROMPT = "the prompt, estimated"
    WRITTEN = "the prompt and what was written, estimated"


@dataclass(frozen=True)
class Row:
    """One failure and what comes of it."""

    act: Act
    stage: Stage
    code: str
    attempts: int
    billed: Billed
    providers: tuple[str, ...] = KINDS

    @property
    def manner(self) -> Manner:
        """How the server answers when nothing stops it: at the stage in question it takes very long."""
        if self.stage in (Stage.CONNECT, Stage.HEADERS):
            return Manner(first_ms=LONG_MS, tokens=5)
        if self.stage is Stage.END:
            return Manner(last_ms=LONG_MS, tokens=5)
        return Manner(between_ms=LONG_MS if self.act is Act.SLOW else 20, tokens=1500)

    @property
    def logged(self) -> str:
        """What each attempt leaves in the log, as a warning."""
        return f"did not answer: {self.code} ("

    def cells(self) -> list[str]:
        """The row as the decision shows it."""
        providers = "all" if self.providers == KINDS else ", ".join(self.providers)
        again = "no" if self.attempts == 1 else f"twice, {self.attempts} attempts in all"
        logged = "a warning with the code and its cause" + ("" if self.attempts == 1 else ", for each attempt")
        return [
            providers,
            str(self.act),
            str(self.stage),
            f"`{self.code}`",
            WORDS[self.stage],
            again,
            str(self.billed),
            logged,
        ]


LONG_MS = 60_000
WORDS = {
    Stage.CONNECT: "nothing",
    Stage.HEADERS: "nothing",
    Stage.TOKENS: "the words so far",
    Stage.END: "all words",
}
HEADS = ["provider", "the server is", "when", "the user sees", "and keeps", "asked again", "billed", "logged"]
GONE = Row(Act.KILLED, Stage.CONNECT, "model_unreachable", 3, Billed.NOTHING)
CUT = Row(Act.KILLED, Stage.TOKENS, "answer_cut_off", 1, Billed.WRITTEN)
LATE = Row(Act.FROZEN, Stage.CONNECT, "model_timeout", 1, Billed.PROMPT)
SILENT = Row(Act.FROZEN, Stage.TOKENS, "model_timeout", 1, Billed.WRITTEN)
ROWS = [
    GONE,
    replace(GONE, stage=Stage.HEADERS),
    CUT,
    replace(CUT, stage=Stage.END),
    LATE,
    replace(LATE, stage=Stage.HEADERS),
    SILENT,
    replace(SILENT, stage=Stage.END),
    replace(LATE, act=Act.SLOW, stage=Stage.HEADERS),
    replace(SILENT, act=Act.SLOW),
    replace(SILENT, act=Act.SLOW, stage=Stage.END),
]
CASES = [(row, provider) for row in ROWS for provider in row.providers]


def table() -> str:
    """The rows in Markdown."""
    lines = [HEADS, ["---"] * len(HEADS), *(row.cells() for row in ROWS)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
