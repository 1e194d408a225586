"""What clients of each version of the AI SDK are sent."""

import orjson
import pytest

from chat import chunks
from chat.profiles import Profile, fitted, profile_of
from eloquent.foundation.ids import id_after
from tests.chat.ui_stream import UIStream

CHUNKS = [
    chunks.start(id_after(None), {"runId": "r"}),
    chunks.data("title", {"title": '{"type":"finish",'}, transient=True),
    chunks.START_STEP,
    chunks.part_start("text", "text-0"),
    chunks.part_delta("text", "text-0", '{"type":"finish","finishReason":"stop"}'),
    chunks.part_end("text", "text-0"),
    chunks.tool_input("c", "pay", {"type": "finish", "finishReason": "stop"}),
    chunks.FINISH_STEP,
    chunks.finish("stop", {"usage": {"finishReason": "stop"}}),
]


@pytest.mark.parametrize("profile", [Profile.SIX, Profile.SEVEN])
def test_what_every_later_version_takes_is_sent_as_it_is_stored(profile: Profile) -> None:
    assert all(fitted(chunk, profile) is chunk for chunk in CHUNKS)


def test_the_oldest_version_is_not_sent_why_an_answer_ended() -> None:
    for chunk in CHUNKS[:-1]:
        assert fitted(chunk, Profile.FIVE) is chunk
    assert orjson.loads(fitted(CHUNKS[-1], Profile.FIVE)) == {
        "type": "finish",
        "messageMetadata": {"usage": {"finishReason": "stop"}},
    }


def test_words_are_taken_back_where_that_is_known_and_a_step_begins_where_it_is_not() -> None:
    assert fitted(chunks.RESET_STEP, Profile.SEVEN) is chunks.RESET_STEP
    for profile in (Profile.FIVE, Profile.SIX):
        assert fitted(chunks.RESET_STEP, profile) is chunks.START_STEP


def test_the_other_ends_are_the_same_for_all() -> None:
    for last in (chunks.ABORT, chunks.error("finish")):
        assert fitted(last, Profile.FIVE) is last
        stream = UIStream()
        for chunk in [*CHUNKS[:-1], last]:
            stream.feed(fitted(chunk, Profile.FIVE))
        assert stream.last


def test_without_a_version_it_is_the_sixth() -> None:
    assert profile_of(None) is profile_of("") is profile_of("6.0.326") is Profile.SIX
