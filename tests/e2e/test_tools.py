"""What a reader sees of the tools that a language model calls."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage
from tests.e2e.site import HANDY, SCRIPTED, Site

SHOW = """async (parts) => {
  const { AnswerView } = await import("/static/chat/message.js");
  window.shownAnswer ??= new AnswerView();
  document.querySelector("#messages").after(window.shownAnswer.element); // inside, a refresh would take it away
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


def test_what_a_call_would_do_is_read_in_the_order_in_which_it_is_done(page: Page) -> None:
    turned = {"path": "safe\u202egpj.exe"}
    asked = {**CALL, "state": "approval-requested", "approval": {"id": "a"}, "input": turned}
    page.evaluate(SHOW, [asked, {**DONE, "toolCallId": "b", "input": turned, "output": "\u2067done\u2069"}])
    expect(page.locator(".question-of-tool pre")).to_have_text('{ "path": "safe\\u202egpj.exe" }')
    expect(page.locator(".question-of-tool pre")).to_have_attribute("dir", "ltr")
    used = page.locator("details.tool pre")
    expect(used).to_have_text(['{ "path": "safe\\u202egpj.exe" }', "\\u2067done\\u2069"])


def ask_what_waits(chat: ChatPage) -> Locator:
    """Ask the model that calls tools; the question whether one of them may be called, which can be answered by then."""
    chat.choose_model(f"{HANDY}:latest")
    chat.ask("Do it")
    question = chat.page.get_by_role("group", name="May house__writes be called?")
    expect(question.get_by_role("button", name="Allow", exact=True)).to_be_enabled()
    return question


def test_a_call_that_waits_is_made_when_the_user_agrees(chat: ChatPage) -> None:
    question = ask_what_waits(chat)
    expect(question).to_contain_text('"length": 3')
    expect(chat.answer.get_by_text("Used house__add")).to_be_visible()
    expect(chat.page.locator("#announcer")).to_have_text("The answer waits for your decision.")
    question.get_by_role("button", name="Allow", exact=True).click()
    chat.expect_said("It is done.")
    used = chat.answer.locator("details.tool", has_text="Used house__writes")
    used.locator("summary").click()
    expect(used.get_by_text("xxx", exact=True)).to_be_visible()
    expect(chat.answers).to_have_count(1)
    stored = chat.stored_messages()[-1]
    assert [part["type"] for part in stored["parts"]] == ["dynamic-tool", "dynamic-tool", "step-start", "text"]


def test_a_call_that_is_not_allowed_is_said_to_be_so(chat: ChatPage) -> None:
    ask_what_waits(chat).get_by_role("button", name="Don’t allow").click()
    chat.expect_said("It is done.")
    expect(chat.answer.get_by_text("You did not allow house__writes")).to_be_visible()
    chat.page.reload()
    expect(chat.answer.get_by_text("You did not allow house__writes")).to_be_visible()


def test_the_question_is_there_after_a_reload_and_can_be_answered_with_the_keyboard(chat: ChatPage) -> None:
    ask_what_waits(chat)
    chat.page.reload()
    allow = chat.page.get_by_role("button", name="Allow", exact=True)
    expect(allow).to_be_enabled()
    allow.focus()
    chat.page.keyboard.press("Enter")
    chat.expect_said("It is done.")


def test_a_conversation_that_went_on_asks_no_more(chat: ChatPage, site: Site) -> None:
    ask_what_waits(chat)
    site.script("Never mind.")
    chat.choose_model(f"{SCRIPTED}:latest")
    chat.ask("Leave it")
    chat.expect_said("Never mind.")
    expect(chat.page.get_by_role("button", name="Allow", exact=True)).to_be_disabled()


def test_another_tab_that_was_first_is_told(chat: ChatPage, open_page: OpenPage) -> None:
    ask_what_waits(chat)
    chat.page.wait_for_load_state("networkidle")
    other = open_page(beside=chat.page, path=f"/#{chat.conversation_id()}")
    other.page.goto(chat.page.url)
    other.page.get_by_role("button", name="Allow", exact=True).click()
    other.expect_said("It is done.")
    # The first tab hears of it and shows the same.
    chat.expect_said("It is done.")
    expect(chat.page.get_by_role("button", name="Allow", exact=True)).to_have_count(0)


def test_a_decision_while_the_server_is_away_is_not_lost(chat: ChatPage, site: Site) -> None:
    question = ask_what_waits(chat)
    site.web.kill()
    expect(chat.banner).to_be_visible()
    question.get_by_role("button", name="Allow", exact=True).click()
    expect(chat.page.get_by_text("The server cannot be reached.").first).to_be_visible()
    site.web.start()
    expect(chat.banner).to_be_hidden(timeout=60_000)
    chat.page.get_by_role("button", name="Allow", exact=True).click()
    chat.expect_said("It is done.")


def test_several_calls_are_decided_about_together(page: Page) -> None:
    asks = [
        {**CALL, "toolCallId": name, "state": "approval-requested", "approval": {"id": name}} for name in ("a", "b")
    ]
    page.evaluate(
        """async (parts) => {
          const { AnswerView } = await import("/static/chat/message.js");
          const view = new AnswerView();
          document.querySelector("#messages").after(view.element);
          window.decided = [];
          const told = ({ call, approved }) => [call.toolCallId, approved];
          const ondecide = (decisions) => window.decided.push(...decisions.map(told));
          view.update({ parts, status: "complete", error: null, ondecide });
        }""",
        asks,
    )
    questions = page.locator(".question-of-tool")
    questions.first.get_by_role("button", name="Don’t allow").click()
    assert page.evaluate("window.decided") == []
    expect(questions.first.get_by_role("button", name="Don’t allow")).to_be_focused()
    questions.first.get_by_role("button", name="Allow", exact=True).click()
    questions.last.get_by_role("button", name="Don’t allow").click()
    assert page.evaluate("window.decided") == [["a", True], ["b", False]]
