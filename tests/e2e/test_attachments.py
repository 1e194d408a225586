"""Files in the composer and in questions: chosen, pasted, dropped, taken back, sent, opened."""

import base64
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage, held_back, until
from tests.e2e.site import REAL, Site
from tests.pictures import png

PICTURE: Any = {"name": "meadow.png", "mimeType": "image/png", "buffer": png(120, 90, colour=120)}
TEXT: Any = {"name": "notes.md", "mimeType": "text/markdown", "buffer": b"Three minutes, no more.\n"}
BRING = """
(place, { kind, name, type, content }) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const options = { bubbles: true, cancelable: true };
  if (kind === "paste") place.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: data }));
  else for (const type of ["dragover", "drop"]) {
    place.dispatchEvent(new DragEvent(type, { ...options, dataTransfer: data }));
  }
}
"""


def tray(page: Page) -> Locator:
    """The files that wait in the composer."""
    return page.get_by_role("list", name="Files to send").get_by_role("listitem")


def attach(page: Page, *files: Any, wait: bool = True) -> None:
    """Choose them with the button, and wait until they are there: before that nothing is sent."""
    with page.expect_file_chooser() as choosing:
        page.get_by_role("button", name="Attach files").click()
    choosing.value.set_files(list(files))
    if wait:
        expect(page.get_by_role("progressbar")).to_have_count(0)


def bring(place: Locator, kind: str, file: Any) -> None:
    """As a person pastes or drops it."""
    content = base64.b64encode(file["buffer"]).decode()
    place.evaluate(BRING, {"kind": kind, "name": file["name"], "type": file["mimeType"], "content": content})


def test_files_are_sent_shown_and_opened(chat: ChatPage, site: Site) -> None:
    page = chat.page
    attach(page, PICTURE, TEXT)
    expect(tray(page)).to_have_count(2)
    expect(tray(page).first.locator("img")).to_be_visible()
    expect(tray(page).get_by_role("progressbar")).to_have_count(0)
    site.script("A grey meadow.")
    chat.ask("What is this?")
    chat.expect_answer("complete")
    expect(tray(page)).to_have_count(0)
    question = chat.questions.last
    expect(question.get_by_role("button", name="Open meadow.png").get_by_role("img")).to_be_visible()
    expect(question.get_by_role("button", name="Open notes.md")).to_contain_text("notes.md")
    asked = site.ollama.requests[-1]["messages"][-1]
    assert asked["images"] == [base64.b64encode(PICTURE["buffer"]).decode()]
    assert "Three minutes, no more." in asked["content"]
    # After a reload, the history has them.
    page.reload()
    picture = chat.questions.last.get_by_role("button", name="Open meadow.png")
    expect(picture.get_by_role("img")).to_be_visible()
    with page.expect_popup() as opened:
        picture.click()
    opened.value.wait_for_load_state()
    assert "/content/" in opened.value.url
    opened.value.close()
    with page.expect_download() as loaded:
        chat.questions.last.get_by_role("button", name="Open notes.md").click()
    assert loaded.value.suggested_filename == "notes.md"


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_files_are_pasted_and_dropped(chat: ChatPage, site: Site, kind: str) -> None:
    bring(chat.box if kind == "paste" else chat.page.locator("#thread"), kind, PICTURE)
    expect(tray(chat.page)).to_contain_text(["meadow.png"])
    # A picture alone is a question, too.
    site.script("A grey meadow.")
    chat.page.get_by_role("button", name="Send message").click()
    chat.expect_said("A grey meadow.")
    expect(chat.questions).to_have_count(1)
    [message, _] = chat.stored_messages()
    assert [part["type"] for part in message["parts"]] == ["file"]


def test_what_is_refused_says_why_and_the_rest_is_sent(chat: ChatPage, site: Site) -> None:
    page = chat.page
    attach(page, {"name": "song.mp3", "mimeType": "audio/mpeg", "buffer": b"\0\1\2"})
    expect(tray(page).get_by_role("alert")).to_contain_text("Pictures (PNG, JPEG, GIF, WebP) and texts")
    expect(page.get_by_role("button", name="Send message")).to_be_disabled()
    attach(page, {"name": "huge.txt", "mimeType": "text/plain", "buffer": b"x" * (10 * 1024 * 1024 + 1)})
    expect(tray(page).last.get_by_role("alert")).to_contain_text("10.0 MB are allowed")
    attach(page, TEXT)
    expect(tray(page)).to_have_count(3)
    site.script("Read.")
    chat.ask("Read this.")
    chat.expect_said("Read.")
    expect(chat.questions.last.get_by_role("listitem")).to_have_count(1)
    expect(tray(page)).to_have_count(2)
    attach(page, *[TEXT | {"name": f"{number}.md"} for number in range(7)])
    expect(page.get_by_text("A message has at most 8 files.")).to_be_visible()
    expect(tray(page)).to_have_count(8)


def test_a_file_is_taken_back_by_keyboard(chat: ChatPage, site: Site) -> None:
    page = chat.page
    attach(page, PICTURE, TEXT)
    expect(tray(page).get_by_role("progressbar")).to_have_count(0)
    with page.expect_request(lambda request: request.method == "DELETE") as deleting:
        page.get_by_role("button", name="Remove meadow.png").press("Enter")
    assert "/api/v1/attachments/" in deleting.value.url
    expect(page.get_by_role("button", name="Remove notes.md")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Attach files")).to_be_focused()
    expect(tray(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Send message")).to_be_disabled()


def test_while_a_file_is_uploaded_nothing_is_sent(chat: ChatPage) -> None:
    page = chat.page
    held = held_back(page, "**/api/v1/attachments?*")
    chat.box.fill("Look at this.")
    attach(page, PICTURE, wait=False)
    expect(page.get_by_role("progressbar", name="Uploading meadow.png")).to_be_visible()
    expect(page.get_by_role("button", name="Send message")).to_be_disabled()
    until(page, lambda: held)
    held[0].continue_()
    expect(page.get_by_role("button", name="Send message")).to_be_enabled()
    attach(page, TEXT, wait=False)
    expect(page.get_by_role("progressbar", name="Uploading notes.md")).to_be_visible()
    until(page, lambda: len(held) > 1)
    held[1].abort()
    expect(tray(page).get_by_role("alert")).to_have_text(
        "The upload was interrupted. Check your connection and try again."
    )


def test_a_model_without_eyes_says_so_and_the_question_is_kept(chat: ChatPage, site: Site) -> None:
    page = chat.page
    chat.choose_model(REAL)
    attach(page, PICTURE)
    chat.ask("What is this?")
    question = chat.questions.last
    expect(question).to_contain_text("cannot see pictures")
    expect(question.get_by_role("button", name="Open meadow.png")).to_be_visible()
    site.script("A grey meadow.")
    chat.choose_model("scripted:latest")
    question.get_by_role("button", name="Try again").click()
    chat.expect_said("A grey meadow.")
    assert site.ollama.requests[-1]["messages"][-1]["images"]


def test_a_new_wording_keeps_the_files(chat: ChatPage, site: Site) -> None:
    page = chat.page
    attach(page, PICTURE)
    site.script("A meadow.")
    chat.ask("What is this?")
    chat.expect_answer("complete")
    chat.questions.last.hover()
    chat.questions.last.get_by_role("button", name="Edit message").click()
    page.get_by_role("textbox", name="Edit your message").fill("What is that?")
    site.script("A grey meadow.")
    page.keyboard.press("Enter")
    chat.expect_said("A grey meadow.")
    expect(chat.questions.last.get_by_role("button", name="Open meadow.png")).to_be_visible()
    assert site.ollama.requests[-1]["messages"][-1]["images"]


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_the_buttons_fit_a_finger_and_nothing_is_too_wide(open_page: OpenPage, width: int) -> None:
    chat = open_page(viewport={"width": width, "height": 720}, has_touch=True, is_mobile=True)
    page = chat.page
    chat.register()
    attach(page, PICTURE | {"name": "a" * 120 + ".png"}, TEXT)
    expect(tray(page)).to_have_count(2)
    for button in page.locator("#composer button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["width"] >= 44
        assert box["height"] >= 44
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".composer").evaluate("(place) => place.scrollWidth <= place.clientWidth")


def test_a_file_that_cannot_be_opened_says_why_to_everybody(chat: ChatPage, site: Site) -> None:
    page = chat.page
    attach(page, TEXT)
    site.script("Three.")
    chat.ask("How many?")
    chat.expect_said("Three.")
    gone = {"code": "not_found", "detail": "There is no such file."}
    page.route("**/api/v1/attachments/*", lambda route: route.fulfill(status=404, json=gone))
    page.get_by_role("button", name="Open notes.md").click()
    # Said by the region that was there before: what comes with its role is not read by every screen reader.
    said = page.locator("#toasts[aria-live=polite] > :not([role])")
    expect(said).to_have_text("There is no such file.")
    expect(said).to_be_visible()
