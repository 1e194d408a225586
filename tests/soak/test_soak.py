"""The soak itself: a short one holds, and each way in which an answer may be wrong is found."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from tests.soak.__main__ import soak
from tests.soak.judgement import judge
from tests.soak.vitals import GROWS_FOR_S, MEBIBYTE, Life
from tests.soak.world import Asked, Scale
from tests.survival.reader import Reader
from tests.survival.tales import Tale


async def test_a_short_soak_with_few_streams_holds(tmp_path: Path) -> None:
    scale = Scale(seconds=6, streams=20, seed=5, tokens=(5, 40), per_s=(15.0, 30.0), between_blows_s=(2.0, 3.0))
    code = await soak(scale, workers=2, directory=tmp_path)
    told = json.loads((tmp_path / "soak.json").read_text())
    assert (code, told["faults"]) == (0, [])
    assert told["ends"]["complete"] > 20
    assert sum(count for what, count in told["events"].items() if what.startswith("workers")) > 0


class Collection:
    """As much of a collection as the judgement reads."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.documents = documents

    async def find(self) -> Any:
        for document in self.documents:
            yield document


class QuietStage:
    """A stage on which one answer was given, and something may be wrong with it."""

    def __init__(self) -> None:
        self.tale = Tale(7, tokens=12)
        usage = {"outputTokens": 12}
        ids = [ObjectId() for _ in range(4)]
        self.run = {"_id": ids[0], "status": "complete", "active": False, "usage": usage, "error": None}
        common = {"conversation_id": ids[1], "error": None}
        self.question = common | {"_id": ids[2], "parent_id": None, "status": "complete"}
        self.answer = common | {
            "_id": ids[3],
            "parent_id": ids[2],
            "status": "complete",
            "text": self.tale.text(),
            "parts": [{"type": "text", "text": self.tale.text()}],
            "usage": usage,
        }
        self.conversation = {"_id": ids[1], "message_count": 2, "leaf_id": ids[3]}
        self.reader = Reader("", "", str(ids[0]))
        self.reader.stream.parts = [{"type": "text", "text": self.tale.text()}]
        self.reader.stream.last = {"type": "finish"}
        self.asked = Asked(self.tale, {"id": str(ids[0]), "message_id": str(ids[3])}, [self.reader])
        self.redis = self
        self.keys: dict[str, int] = {"kept for a while": 300}

    @property
    def database(self) -> dict[str, Collection]:
        return {
            "runs": Collection(self.run),
            "messages": Collection(self.question, self.answer),
            "conversations": Collection(self.conversation),
        }

    async def scan_iter(self) -> Any:
        for key in self.keys:
            yield key

    async def ttl(self, key: str) -> int:
        return self.keys[key]

    def faults(self) -> list[str]:
        return asyncio.run(judge(self, [self.asked]))[0]  # type: ignore[arg-type]


def test_an_answer_that_is_whole_everywhere_has_no_fault() -> None:
    assert QuietStage().faults() == []


@pytest.mark.parametrize(
    ("what", "change", "fault"),
    [
        ("answer", {"text": "Tale 7:"}, "complete, with 7 of"),
        ("answer", {"text": "Another tale"}, "not what the model said"),
        ("answer", {"parts": []}, "parts and text differ"),
        ("answer", {"status": "interrupted"}, "its status is complete and the message's is interrupted"),
        ("answer", {"status": "streaming"}, "is still being written"),
        ("answer", {"usage": None}, "its usage is"),
        ("answer", {"parent_id": ObjectId()}, "a branch with a hole"),
        ("run", {"status": "failed"}, "ended as failed"),
        ("run", {"status": "stopped"}, "nobody wanted it"),
        ("run", {"active": True}, "is still complete"),
        ("conversation", {"message_count": 3}, "says 3 messages and has 2"),
        ("conversation", {"leaf_id": ObjectId()}, "a branch that is not there"),
        ("conversation", {"leaf_id": None}, "shows none"),
        ("keys", {"for ever": -1}, "never expire"),
    ],
)
def test_what_is_wrong_in_the_database_is_found(what: str, change: dict[str, Any], fault: str) -> None:
    stage = QuietStage()
    getattr(stage, what).update(change)
    assert any(fault in one for one in stage.faults()), stage.faults()


def test_a_reader_who_was_shown_more_than_was_kept_is_found() -> None:
    stage = QuietStage()
    stage.reader.shown = stage.tale.text() + " and more"
    assert any("was shown" in one for one in stage.faults())


def test_a_reader_who_was_told_another_end_is_found() -> None:
    stage = QuietStage()
    stage.reader.stream.last = {"type": "abort"}
    assert any("a reader was told abort" in one for one in stage.faults())


def test_memory_that_goes_on_growing_has_a_slope_and_a_young_life_has_none() -> None:
    growing = Life("worker 1", 1, 0.0, [(GROWS_FOR_S + 5 * n, 100 * MEBIBYTE + n * MEBIBYTE) for n in range(20)])
    assert growing.slope() == pytest.approx(12)
    assert Life("worker 2", 2, 0.0, [(5.0 * n, n) for n in range(20)]).slope() is None
