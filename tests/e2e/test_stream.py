"""How chunks become the state of an answer (stream.js), and how long the socket waits (socket.js), in the browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.site import Site

FOLD = """
async (chunks) => {
  const { emptyAnswer, withChunk } = await import("/static/chat/stream.js");
  return chunks.reduce(withChunk, emptyAnswer());
}
"""
OPENING: list[dict[str, Any]] = [
    {"type": "start", "messageId": "m1"},
    {"type": "start-step"},
    {"type": "text-start", "id": "t1"},
    {"type": "text-delta", "id": "t1", "delta": "Good "},
    {"type": "text-delta", "id": "t1", "delta": "day"},
]


@pytest.fixture(scope="module")
def page(_site: Site, chromium: Browser) -> Iterator[Page]:
    page = chromium.new_page()
    page.goto(_site.url)
    yield page
    page.close()


def text_of(answer: dict[str, Any]) -> str:
    return "".join(part["text"] for part in answer["parts"] if part["type"] == "text")


def test_text_grows_and_ends(page: Page) -> None:
    answer = page.evaluate(FOLD, OPENING)
    assert (answer["id"], answer["status"], text_of(answer)) == ("m1", "streaming", "Good day")
    end = [{"type": "text-end", "id": "t1"}, {"type": "finish-step"}, {"type": "finish", "finishReason": "length"}]
    answer = page.evaluate(FOLD, [*OPENING, *end])
    assert (answer["status"], answer["finishReason"], text_of(answer)) == ("complete", "length", "Good day")


def test_a_replay_begins_anew(page: Page) -> None:
    answer = page.evaluate(FOLD, [*OPENING, *OPENING])
    assert text_of(answer) == "Good day"


def test_a_stopped_and_a_failed_answer_keep_their_text(page: Page) -> None:
    stopped = page.evaluate(FOLD, [*OPENING, {"type": "abort"}, {"type": "finish"}])
    assert (stopped["status"], text_of(stopped)) == ("stopped", "Good day")
    failed = page.evaluate(FOLD, [*OPENING, {"type": "error", "errorText": "It broke."}, {"type": "finish"}])
    assert (failed["status"], failed["error"], text_of(failed)) == ("failed", "It broke.", "Good day")


def test_progress_is_shown_until_the_first_word(page: Page) -> None:
    loading = {"type": "data-status", "data": {"state": "loading"}, "transient": True}
    assert page.evaluate(FOLD, [loading])["progress"] == {"state": "loading"}
    assert page.evaluate(FOLD, [loading, *OPENING])["progress"] is None
    assert page.evaluate(FOLD, [*OPENING, loading])["progress"] is None


def test_a_step_that_is_reset_leaves_those_before_it(page: Page) -> None:
    second = [
        {"type": "start-step"},
        {"type": "text-start", "id": "t2"},
        {"type": "text-delta", "id": "t2", "delta": " never mind"},
        {"type": "reset-step"},
    ]
    assert text_of(page.evaluate(FOLD, [*OPENING, {"type": "text-end", "id": "t1"}, *second])) == "Good day"


def test_data_of_the_same_id_is_replaced(page: Page) -> None:
    answer = page.evaluate(FOLD, [{"type": "data-x", "id": "1", "data": data} for data in (1, 2)])
    assert [part["data"] for part in answer["parts"]] == [2]


@pytest.mark.parametrize(
    "chunk",
    [
        {"type": "of-the-future", "anything": 1},
        {"type": "text-delta", "id": "never started", "delta": "lost"},
        {"type": "data-notice", "data": {}, "transient": True},
    ],
)
def test_what_is_not_known_changes_nothing(page: Page, chunk: dict[str, Any]) -> None:
    assert page.evaluate(FOLD, [*OPENING, chunk]) == page.evaluate(FOLD, OPENING)


def test_the_socket_waits_longer_each_time_and_never_forever(page: Page) -> None:
    waits = page.evaluate(
        """async () => {
          const { backoff_ms } = await import("/static/chat/connection.js");
          return [0, 1, 2, 3, 30].map((attempt) => [backoff_ms(attempt, () => 0), backoff_ms(attempt, () => 1)]);
        }"""
    )
    assert waits == [[200, 400], [400, 800], [800, 1600], [1600, 3200], [10_000, 20_000]]
