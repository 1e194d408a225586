"""One reader's whole visit, with the real language model."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import Frames, text_of
from tests.e2e.site import REAL

LONG_QUESTION = "A lighthouse and its keeper: tell their story, a long one, in ten chapters."
RENDERED_ALIKE = """
async (text) => {
  const { renderMarkdown } = await import("/static/chat/markdown.js");
  const whole = document.createElement("div");
  whole.append(...renderMarkdown(text));
  return whole.innerHTML === document.querySelector(".answer:last-child .markdown").innerHTML;
}
"""


@pytest.mark.language_model
@pytest.mark.timeout(400)
def test_a_visit_from_registering_to_signing_in_again(open_page: OpenPage) -> None:
    chat = open_page()
    page = chat.page
    frames = Frames(page)
    chat.register("Grace Hopper")
    expect(page.get_by_text("Grace Hopper")).to_be_visible()
    chat.choose_model(REAL)

    # Words arrive over the socket, and the text grows as they do.
    # A long one: a page is not loaded anew before a small model has said what it has to say in short.
    chat.ask(LONG_QUESTION)
    expect(chat.questions).to_have_text([LONG_QUESTION])
    lengths = [chat.until_longer(0)]
    for _ in range(4):
        lengths.append(chat.until_longer(lengths[-1]))
    assert lengths == sorted(set(lengths))
    assert len(frames.chunks("text-delta")) >= len(lengths)
    expect(page).to_have_url(re.compile(r"#/c/[0-9a-f]{24}$"))

    # A reload in the middle loses nothing: the answer goes on, to its end.
    page.reload()
    chat.until_longer(lengths[-1])
    expect(chat.answers).to_have_count(1)
    expect(chat.questions).to_have_count(1)
    assert frames.sent[-1]["type"] == "resume"
    chat.expect_answer("complete")
    _, answer = chat.stored_messages()
    assert answer["status"] == "complete"
    assert len(text_of(answer)) > lengths[-1]
    assert page.evaluate(RENDERED_ALIKE, text_of(answer))
    assert "".join(chunk["delta"] for chunk in frames.chunks("text-delta")).endswith(text_of(answer))

    # The title came with the answer.
    expect(chat.title).to_contain_text("lighthouse")

    # Stopping keeps the text so far; the answer can be asked for again.
    chat.ask("Tell another one, as long, about a whale and a storm.")
    expect(chat.answers).to_have_count(2)
    chat.until_longer(40)
    chat.stop_button.click()
    chat.expect_answer("stopped")
    kept = chat.text.inner_text()
    assert len(kept) > 40
    expect(chat.answer).to_contain_text("You stopped this answer.")
    stopped = chat.stored_messages()[-1]
    assert stopped["status"] == "stopped"
    assert page.evaluate(RENDERED_ALIKE, text_of(stopped))
    chat.answer.get_by_role("button", name="Try again").click()
    chat.expect_answer("streaming")
    chat.until_longer(0)
    page.keyboard.press("Escape")
    chat.expect_answer("stopped")
    expect(chat.answers).to_have_count(2)
    assert chat.stored_messages()[-1]["id"] != stopped["id"]

    # Rename, delete, sign out and in again.
    chat.open_menu("lighthouse")
    chat.choose("Rename")
    page.get_by_label("Conversation title").fill("The keeper")
    page.get_by_label("Conversation title").press("Enter")
    expect(chat.title).to_have_text("The keeper")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert "#" not in page.url
    chat.sign_in()
    expect(chat.rows).to_have_text(["The keeper"])
    chat.rows.get_by_role("link").click()
    expect(chat.answers).to_have_count(2)
    chat.open_menu("The keeper")
    chat.choose("Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Your conversations will be kept here.")).to_be_visible()
    expect(page.get_by_role("heading", name="What shall we think through?")).to_be_visible()
