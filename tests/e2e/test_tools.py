"""What a reader sees of the tools that a language model calls."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.pages import ChatPage

SHOW = """async (parts) => {
  const { AnswerView } = await import("/static/chat/message.js");
  window.shownAnswer ??= new AnswerView();
  document.querySelector("article.answer").after(window.shownAnswer.element);
  window.shownAnswer.update({ parts, status: "streaming", error: null, connected: true });
}"""
CALL: dict[str, Any] = {
    "type": "dynamic-tool",
    "toolName": "calculate",
    "toolCallId": "a",
    "state": "input-available",
    "input": {"expression": "6 * 7"},
}
DONE = {**CALL, "state": "output-available", "output": 42}
FAILED = {**CALL, "toolCallId": "b", "state": "output-error", "errorText": "There is no such zone."}
TEXT = {"type": "text", "text": "It is 42."}


@pytest.fixture
def page(chat: ChatPage) -> Page:
    chat.ask("Hi")
    chat.expect_answer("complete")
    chat.page.wait_for_load_state("networkidle")  # the history is read again when an answer is over
    return chat.page


def test_a_call_is_seen_while_it_is_made_and_can_be_opened_afterwards(page: Page) -> None:
    page.evaluate(SHOW, [CALL])
    expect(page.locator("article").last.locator(".status-line")).to_have_text("Calling calculate…")
    page.evaluate(SHOW, [DONE])
    expect(page.locator("article").last.locator(".status-line")).to_have_text("Thinking…")
    page.evaluate(SHOW, [DONE, {"type": "step-start"}, TEXT])
    expect(page.locator("article").last.locator(".status-line")).to_be_hidden()
    call = page.locator("details.tool")
    expect(call.locator("summary")).to_have_text("Used calculate")
    expect(call.get_by_text("42", exact=True)).to_be_hidden()
    call.locator("summary").click()
    expect(call.get_by_text("42", exact=True)).to_be_visible()
    page.evaluate(SHOW, [DONE, {"type": "step-start"}, {**TEXT, "text": "It is 42. Sure."}])
    expect(call.get_by_text("42", exact=True)).to_be_visible()


def test_a_call_that_failed_says_why(page: Page) -> None:
    page.evaluate(SHOW, [DONE, FAILED])
    failed = page.locator("details.tool.failed")
    expect(failed.locator("summary")).to_have_text("calculate failed")
    failed.locator("summary").click()
    expect(failed.get_by_text("There is no such zone.")).to_be_visible()
    page.evaluate(SHOW, [DONE])
    expect(page.locator("details.tool")).to_have_count(1)


def test_what_tools_say_is_text_and_nothing_else(page: Page) -> None:
    page.evaluate(SHOW, [{**DONE, "output": "<img src=x onerror=alert(1)>"}])
    page.locator("details.tool summary").click()
    expect(page.locator("details.tool pre").last).to_have_text("<img src=x onerror=alert(1)>")
    expect(page.locator("details.tool img")).to_have_count(0)
