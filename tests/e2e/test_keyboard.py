"""Where the keyboard's focus goes, and keys that belong to an input method."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.e2e.pages import ChatPage
from tests.e2e.site import HANDY, Site

# False when the page took the key for itself.
LEFT_ALONE = """
(node, fields) => node.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, cancelable: true, ...fields }))
"""
# As most browsers tell of a key that an input method takes, and as Safari does of the one that ends a composition.
TELLINGS = [{"isComposing": True}, {"keyCode": 229}]


def by_key(button: Locator) -> None:
    """Press it without the mouse."""
    button.focus()
    button.press("Enter")


def test_the_skip_link_stays_in_the_conversation(chat: ChatPage, site: Site) -> None:
    page = chat.page
    chat.ask("First.")
    chat.expect_said("Hello.")
    address = page.url
    by_key(page.get_by_role("link", name="Go to the message box"))
    expect(chat.box).to_be_focused()
    site.script("Hello again.")
    page.keyboard.type("Second.")
    page.keyboard.press("Enter")
    chat.expect_said("Hello again.")
    expect(chat.questions.locator(".bubble")).to_have_text(["First.", "Second."])
    assert page.url == address


def test_after_an_answer_is_asked_for_again_one_writes_on(chat: ChatPage) -> None:
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    by_key(chat.answer.get_by_role("button", name="Answer again"))
    expect(chat.box).to_be_focused()
    chat.expect_said("Hello.")
    expect(chat.box).to_be_focused()


def test_after_a_new_wording_one_writes_on(chat: ChatPage) -> None:
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    by_key(chat.questions.last.get_by_role("button", name="Edit message"))
    chat.page.keyboard.type(" Now.")
    by_key(chat.questions.last.get_by_role("button", name="Send"))
    expect(chat.questions.last.locator(".bubble")).to_have_text("Say it. Now.")
    chat.expect_said("Hello.")
    expect(chat.box).to_be_focused()


def test_after_a_decision_one_writes_on(chat: ChatPage) -> None:
    chat.choose_model(f"{HANDY}:latest")
    chat.ask("Do it")
    by_key(chat.page.get_by_role("button", name="Allow", exact=True))
    chat.expect_said("It is done.")
    expect(chat.box).to_be_focused()


def test_after_a_question_is_discarded_one_writes_on(chat: ChatPage) -> None:
    chat.page.route("**/api/v1/conversations", refuse, times=1)
    chat.ask("Say it.")
    by_key(chat.page.get_by_role("button", name="Discard"))
    expect(chat.questions).to_have_count(0)
    expect(chat.box).to_be_focused()


@pytest.mark.parametrize("telling", TELLINGS, ids=["composing", "code"])
def test_a_key_of_an_input_method_is_left_to_it(chat: ChatPage, telling: dict[str, Any]) -> None:
    page = chat.page
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    chat.questions.hover()
    page.get_by_role("button", name="Edit message").click()
    searched = page.get_by_label("Search your messages")
    searched.fill("Say")
    expect(page.locator("#search-results a")).to_be_visible()
    for field in (chat.box, page.get_by_label("Edit your message"), searched):
        field.fill("Say")
        for key in ("Enter", "Escape"):
            assert field.evaluate(LEFT_ALONE, {"key": key, **telling}), (field, key)
            expect(field).to_have_value("Say")
    page.get_by_role("button", name="Clear the search").click()
    chat.open_menu("Say it.")
    chat.choose("Rename")
    title = page.get_by_label("Conversation title")
    for key in ("Enter", "Escape"):
        assert title.evaluate(LEFT_ALONE, {"key": key, **telling}), key
        expect(title).to_be_focused()
    expect(chat.questions).to_have_count(1)


@pytest.mark.parametrize("telling", TELLINGS, ids=["composing", "code"])
def test_an_input_method_that_is_given_up_does_not_stop_the_answer(
    chat: ChatPage, site: Site, telling: dict[str, Any]
) -> None:
    gates = site.script("One", " two", gates=(1,))
    chat.ask("Count.")
    expect(chat.text).to_have_text("One")
    chat.box.evaluate(LEFT_ALONE, {"key": "Escape", **telling})
    expect(chat.stop_button).to_be_enabled()
    gates[1].open()
    chat.expect_said("One two")


def refuse(route: Route) -> None:
    """As a server that is being restarted does."""
    route.fulfill(status=503, json={"code": "unavailable", "detail": "Not now."})
