"""Narrow and wide, dark and light, by keyboard alone, and with a long list."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage
from tests.e2e.site import Site

WIDE = "donaudampfschifffahrtselektrizitaetenhauptbetriebswerk" * 8
AWKWARD = f"""{WIDE} https://example.org/{WIDE}

`{WIDE}`

```python
x = "{WIDE}"
```

| {WIDE[:80]} | {WIDE[:80]} |
|---|---|
| a | b |

# {WIDE}

- - - - - - {WIDE}

שלום עולם. مرحبا بالعالم
"""
TOO_WIDE = """
() => [...document.querySelectorAll("body, #main, #thread, .message, .bubble, .markdown, .composer, .thread-head")]
  .filter((node) => node.getClientRects().length && node.getBoundingClientRect().right > innerWidth + 0.5)
  .map((node) => node.className || node.id)
"""


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_screen(open_page: OpenPage, site: Site, width: int) -> None:
    chat = open_page(viewport={"width": width, "height": 720})
    chat.register("N" * 90)
    assert chat.page.evaluate(TOO_WIDE) == []
    site.script(AWKWARD)
    chat.ask(AWKWARD * 4)
    chat.expect_answer("complete")
    assert chat.page.evaluate(TOO_WIDE) == []
    assert chat.page.evaluate("document.documentElement.scrollWidth") == width
    thread = chat.page.locator("#thread")
    assert thread.evaluate("(thread) => thread.scrollWidth === thread.clientWidth")


def test_on_a_phone_the_list_is_a_drawer(open_page: OpenPage, site: Site) -> None:
    chat = open_page(viewport={"width": 390, "height": 800}, has_touch=True)
    page = chat.page
    chat.register()
    site.script("Hello.")
    chat.ask("Hi")
    chat.expect_answer("complete")
    expect(chat.rows).not_to_be_in_viewport()
    page.get_by_role("button", name="Open the list").click()
    expect(chat.rows).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(chat.rows).not_to_be_in_viewport()
    expect(page.get_by_role("button", name="Open the list")).to_be_focused()
    page.get_by_role("button", name="Open the list").click()
    page.get_by_role("button", name="New conversation", exact=True).click()
    expect(chat.rows).not_to_be_in_viewport()
    expect(page.get_by_role("heading", name="What shall we think through?")).to_be_visible()


def test_dark_follows_the_system_until_one_chooses(open_page: OpenPage) -> None:
    chat = open_page(color_scheme="dark")
    page = chat.page
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Use the light theme").click()
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    assert page.evaluate(paper) == light
    page.get_by_role("button", name="Use the dark theme").click()
    assert page.evaluate(paper) == dark
    assert page.evaluate("localStorage.length") == 0
    page.emulate_media(color_scheme="light")
    assert page.evaluate(paper) == light


def test_a_whole_conversation_by_keyboard_alone(chat: ChatPage, site: Site) -> None:
    page, keyboard = chat.page, chat.page.keyboard
    expect(chat.box).to_be_focused()
    site.script("Hello.")
    keyboard.type("First line")
    keyboard.press("Shift+Enter")
    keyboard.type("second line")
    keyboard.press("Enter")
    chat.expect_said("Hello.")
    expect(chat.questions.last.locator(".bubble")).to_have_text("First line\nsecond line", use_inner_text=True)
    expect(chat.box).to_be_focused()
    # Through the page to the conversation's menu, by Tab from the top.
    page.get_by_role("link", name="Go to the message box").focus()
    more = chat.rows.get_by_role("button")
    for _ in range(6):
        keyboard.press("Tab")
        if more.evaluate("(button) => button === document.activeElement"):
            break
    expect(more).to_be_focused()
    keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pinned")).to_be_visible()
    expect(more).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_be_hidden()
    expect(more).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Enter")
    keyboard.type("By hand")
    keyboard.press("Enter")
    expect(chat.title).to_have_text("By hand")
    keyboard.press("Enter")
    keyboard.press("End")
    keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(chat.rows).to_have_count(0)
    expect(chat.box).to_be_focused()


def test_more_conversations_come_as_one_scrolls(chat: ChatPage, site: Site) -> None:
    token = chat.api_token()
    for number in range(70):
        chat.page.request.post(
            f"{site.url}/api/v1/conversations",
            headers={"Authorization": f"Bearer {token}"},
            data={"title": f"Number {number}"},
        )
    chat.page.reload()
    expect(chat.rows.first).to_have_text("Number 69")
    expect(chat.rows).not_to_have_count(70)
    for _ in range(3):
        chat.rows.last.scroll_into_view_if_needed()
        expect(chat.page.locator("#conversations-more")).not_to_be_in_viewport()
    expect(chat.rows).to_have_count(70)
    assert len(set(chat.rows.all_inner_texts())) == 70


def test_a_conversation_of_a_whole_second_is_in_its_place(chat: ChatPage, site: Site) -> None:
    # A time without a fraction ends where another has its point: as words they sort the other way.
    page = chat.page
    times = {"Last": "2026-01-05T10:00:03.400Z", "Middle": "2026-01-05T10:00:03Z", "First": "2026-01-05T10:00:02.900Z"}

    one = page.request.post(
        f"{site.url}/api/v1/conversations",
        headers={"Authorization": f"Bearer {chat.api_token()}"},
        data={"title": "One"},
    ).json()
    items = [
        {**one, "id": f"{number:024x}", "title": title, "updated_at": at}
        for number, (title, at) in enumerate(times.items())
    ]
    page.route("**/api/v1/conversations?*", lambda route: route.fulfill(json={"items": items, "next_cursor": None}))
    page.reload()
    expect(chat.rows).to_have_text(list(times))


def test_an_example_question_starts_a_conversation(chat: ChatPage, site: Site) -> None:
    site.script("Sunlight and rain.")
    chat.page.get_by_role("button", name="how rainbows form").click()
    expect(chat.questions.last).to_contain_text("rainbows")
    chat.expect_said("Sunlight and rain.")
    expect(chat.page.get_by_role("heading", name="What shall we think through?")).to_be_hidden()


def test_a_conversation_that_is_gone_is_said_to_be(open_page: OpenPage) -> None:
    chat = open_page(path="/#/c/000000000000000000000000")
    chat.register()
    expect(chat.page.get_by_text("This conversation does not exist any more.").first).to_be_visible()
    expect(chat.page.get_by_role("heading", name="What shall we think through?")).to_be_visible()
