"""Finding a message again, and taking a conversation along as a file."""

import re
from typing import Any

import orjson
import pytest
from playwright.sync_api import Page, expect

from tests.chat.test_imports import chatgpt, node
from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage, held_back, until

LENGTH = 90


def long_talk() -> dict[str, Any]:
    """A conversation of many messages; its second question was asked in two wordings, the later one shown."""
    nodes = [node("0", None, "user", "Where does tea grow?"), node("1", "0", "assistant", "On hills.")]
    nodes += [
        node("old", "1", "user", "And the zanzibar kind?"),
        node("old answer", "old", "assistant", "On an island."),
    ]
    for number in range(2, LENGTH):
        role = "assistant" if number % 2 else "user"
        nodes.append(node(str(number), str(number - 1), role, f"Sentence {number} about plantations."))
    return chatgpt(*nodes, title="Of tea", conversation_id="tea", current_node=str(LENGTH - 1))


def import_talks(chat: ChatPage, *talks: dict[str, Any]) -> None:
    """Bring conversations into the page's account, and wait until its list shows them."""
    content = orjson.dumps(list(talks))
    token = chat.api_token()
    headers = {"Authorization": f"Bearer {token}"}
    imports = f"{chat.site.url}/api/v1/imports"
    made = chat.page.request.post(imports, data={"size": len(content)}, headers=headers).json()
    sent = chat.page.request.put(
        f"{imports}/{made['id']}/content?offset=0",
        data=content,
        headers=headers | {"Content-Type": "application/octet-stream"},
    )
    assert sent.ok, sent.text()
    done = f"/imports/{made['id']}"
    until(chat.page, lambda: chat.api(done, token=token)["status"] == "complete", every_ms=200)
    # The list is read again by this, too: a notice may be lost.
    chat.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(chat.rows).to_have_count(len(talks))


@pytest.fixture
def chat(open_page: OpenPage) -> ChatPage:
    """Somebody who has talked a lot about tea."""
    page = open_page()
    page.register()
    import_talks(page, long_talk())
    return page


def results(page: Page) -> Any:
    return page.locator("#search-results a")


def search(page: Page, words: str) -> None:
    page.get_by_label("Search your messages").fill(words)


def test_a_message_far_up_is_found_and_brought_into_view(chat: ChatPage) -> None:
    page = chat.page
    search(page, "tea grow")
    expect(results(page)).to_have_count(1)
    expect(chat.rows.first).not_to_be_visible()
    expect(page.locator("#search-status")).to_have_text("1 message")
    assert results(page).locator("mark").all_text_contents() == ["tea", "grow"]
    results(page).click()
    expect(results(page)).to_have_attribute("aria-current", "true")
    found = page.locator(".message.found")
    expect(found).to_contain_text("Where does tea grow?")
    expect(found).to_be_in_viewport()
    expect(found).to_be_focused()
    assert re.search("#/c/[0-9a-f]{24}$", page.url), "a reload begins at the newest message"
    page.get_by_role("button", name="Clear the search").click()
    expect(chat.rows).to_have_count(1)
    # Once more, in the conversation that is open already.
    search(page, "88")
    results(page).click()
    expect(page.locator(".message.found")).to_contain_text("Sentence 88 about")
    expect(page.locator(".message.found")).to_be_in_viewport()


def test_a_message_on_another_branch_is_shown_with_its_branch(chat: ChatPage) -> None:
    page = chat.page
    search(page, "zanzibar")
    results(page).click()
    expect(page.locator(".message.found")).to_contain_text("And the zanzibar kind?")
    expect(chat.answer).to_contain_text("On an island.")
    expect(page.get_by_text("Sentence 3 about")).not_to_be_attached()


def test_more_is_read_by_the_page_and_the_focus_goes_on(chat: ChatPage) -> None:
    page = chat.page
    search(page, "plantations")
    expect(results(page)).to_have_count(20)
    expect(page.locator("#search-status")).to_have_text("20 or more messages")
    page.get_by_role("button", name="Show more").click()
    expect(results(page)).to_have_count(40)
    expect(results(page).nth(20)).to_be_focused()


def test_by_keyboard_alone(chat: ChatPage) -> None:
    page = chat.page
    page.keyboard.press("Control+k")
    box = page.get_by_label("Search your messages")
    expect(box).to_be_focused()
    page.keyboard.type("plantations")
    expect(results(page)).to_have_count(20)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(results(page).nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(box).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".message.found")).to_be_focused()
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(box).to_have_value("")
    expect(chat.rows).to_have_count(1)


def test_what_is_not_there_is_said_and_html_is_text(open_page: OpenPage) -> None:
    chat = open_page()
    chat.register()
    import_talks(
        chat, chatgpt(node("0", None, "user", "<b>bold</b> <img src=x onerror=alert(1)>"), conversation_id="1")
    )
    page = chat.page
    search(page, "nowhere")
    expect(page.locator("#search-status")).to_have_text("No message has all of these words.")
    search(page, "bold")
    expect(results(page)).to_contain_text("<b>bold</b> <img src=x")
    assert results(page).locator("b, img").count() == 0


def test_an_answer_that_comes_late_is_not_shown_for_other_words(chat: ChatPage) -> None:
    page = chat.page
    held = held_back(page, "**/api/v1/search?q=plantations")
    with page.expect_request("**/api/v1/search?q=plantations"):
        search(page, "plantations")
    search(page, "zanzibar")
    expect(results(page)).to_have_count(1)
    until(page, lambda: held)
    with page.expect_response("**/api/v1/search?q=plantations"):
        held[0].continue_()
    expect(results(page)).to_have_count(1)
    expect(results(page)).to_contain_text("zanzibar")


def test_a_search_that_fails_says_so_and_can_be_repeated(chat: ChatPage) -> None:
    page = chat.page
    page.route("**/api/v1/search*", lambda route: route.abort())
    search(page, "tea")
    fault = page.locator("#search-fault")
    expect(fault).to_contain_text("The server cannot be reached.")
    page.unroute("**/api/v1/search*")
    fault.get_by_role("button", name="Try again").click()
    expect(results(page)).to_have_count(1)
    expect(fault).to_be_hidden()


def test_on_a_phone_the_drawer_closes_over_what_was_chosen(open_page: OpenPage) -> None:
    chat = open_page(viewport={"width": 390, "height": 800}, has_touch=True)
    chat.register()
    import_talks(chat, long_talk())
    page = chat.page
    page.get_by_role("button", name="Open the list").click()
    search(page, "tea grow")
    results(page).click()
    expect(page.locator(".message.found")).to_be_in_viewport()
    expect(page.get_by_label("Search your messages")).not_to_be_in_viewport()


@pytest.mark.parametrize(("action", "ending"), [("Export as Markdown", "md"), ("Export as JSON", "json")])
def test_a_conversation_is_taken_along_as_a_file(chat: ChatPage, action: str, ending: str) -> None:
    chat.open_menu("Of tea")
    with chat.page.expect_download() as download:
        chat.choose(action)
    assert download.value.suggested_filename == f"Of tea.{ending}"
    content = download.value.path().read_text()
    assert "Where does tea grow?" in content
    assert f"Sentence {LENGTH - 1} about plantations." in content
    assert ("zanzibar" in content) == (ending == "json"), "the other branch is for programs"


def test_an_export_that_fails_says_so(chat: ChatPage) -> None:
    chat.page.route("**/export*", lambda route: route.fulfill(status=503, body="{}", content_type="application/json"))
    chat.open_menu("Of tea")
    chat.choose("Export as Markdown")
    expect(chat.page.get_by_text("Something went wrong. Please try again.")).to_be_visible()


def test_a_space_after_the_last_word_does_not_take_the_search_back(chat: ChatPage) -> None:
    box = chat.page.get_by_label("Search your messages")
    box.press_sequentially("zanzibar ")
    expect(results(chat.page)).to_have_count(1)


def test_enter_follows_what_was_typed_and_not_what_was_found_before(chat: ChatPage) -> None:
    page = chat.page
    search(page, "plantations")
    expect(results(page)).to_have_count(20)
    search(page, "zanzibar")
    page.keyboard.press("Enter")
    expect(page.locator(".message.found")).to_contain_text("And the zanzibar kind?")


def test_what_was_found_stays_marked_until_the_reader_goes_on_without_any_motion(open_page: OpenPage) -> None:
    chat = open_page(reduced_motion="reduce")
    chat.register()
    import_talks(chat, long_talk())
    page = chat.page
    search(page, "tea grow")
    results(page).click()
    found = page.locator(".message.found")
    expect(found).to_be_focused()
    # A frame later nothing has taken the mark away, and it can be seen.
    page.evaluate("() => new Promise((shown) => requestAnimationFrame(() => requestAnimationFrame(shown)))")
    expect(found).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")
    page.get_by_label("Search your messages").focus()
    expect(found).to_have_count(0)


def test_more_that_fails_says_so_where_it_was_asked_and_goes_on_from_there(chat: ChatPage) -> None:
    page = chat.page
    search(page, "plantations")
    expect(results(page)).to_have_count(20)
    page.route("**/api/v1/search*", lambda route: route.abort())
    page.get_by_role("button", name="Show more").click()
    retry = page.locator("#search-fault").get_by_role("button", name="Try again")
    expect(retry).to_be_in_viewport()
    page.unroute("**/api/v1/search*")
    retry.click()
    expect(results(page)).to_have_count(40)
    expect(results(page).nth(20)).to_be_focused()


def test_a_finger_finds_every_button_of_the_list(open_page: OpenPage) -> None:
    chat = open_page(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    chat.register()
    word = "w" * 90
    import_talks(chat, chatgpt(node("0", None, "user", f"مرحبا بالعالم {word}"), title=word, conversation_id="1"))
    page = chat.page
    page.get_by_role("button", name="Open the list").click()
    search(page, word)
    expect(results(page)).to_have_count(1)
    assert page.evaluate("() => document.getElementById('search-panel').scrollWidth <= innerWidth")
    page.get_by_role("button", name="Clear the search").click()
    expect(chat.rows).to_have_count(1)
    search(page, "مرحبا")
    expect(results(page)).to_have_count(1)
    small = page.evaluate(
        """() => [...document.querySelectorAll("#sidebar button, #search-box, #search-results a")]
          .filter((one) => one.checkVisibility())
          .map((one) => [one.id || one.textContent, one.getBoundingClientRect()])
          .filter(([, { width, height }]) => width < 44 || height < 44)
          .map(([name, { width, height }]) => `${name}: ${width} x ${height}`)"""
    )
    assert small == []
