"""What the server said before, and what arrives after: a conversation deleted meanwhile, a user who has left."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage, Frames, held_back, until

# From now on the replies to such requests wait, as they do on a slow line, until `letGo` is called.
HOLD = """
([method, path]) => {
  const ask = window.fetch;
  const gate = new Promise((resolve) => { window.letGo = resolve; });
  window.held = 0;
  window.fetch = async (address, options) => {
    const reply = await ask(address, options);
    if (options.method !== method || !new RegExp(path).test(address)) return reply;
    window.held += 1;
    await gate;
    return reply;
  };
}
"""
READ_AGAIN = "document.dispatchEvent(new Event('visibilitychange'))"
# Once what was let go has been read and worked on.
SETTLED = "() => { letGo(); return new Promise((resolve) => setTimeout(resolve, 300)); }"


Act = Callable[[ChatPage, str], None]


def hold(page: Page, method: str, path: str) -> None:
    """Keep back the replies to such requests."""
    page.evaluate(HOLD, [method, path])


def until_held(page: Page) -> None:
    """Wait until the server has answered what is kept back."""
    until(page, lambda: page.evaluate("held > 0"))


def rename(chat: ChatPage, title: str) -> None:
    """The conversation of this title, to a new one: the list shows it before the server has answered."""
    chat.open_menu(title)
    chat.choose("Rename")
    chat.page.keyboard.type("New name")
    chat.page.keyboard.press("Enter")
    expect(chat.title).to_have_text("New name")


def read_again(chat: ChatPage, title: str) -> None:
    """The list, as when somebody comes back to the tab."""
    del title
    chat.page.evaluate(READ_AGAIN)


@pytest.mark.parametrize(
    ("method", "path", "act"),
    [("PATCH", "/conversations/[0-9a-f]+$", rename), ("GET", r"/conversations\?", read_again)],
    ids=["renamed", "list read"],
)
def test_what_was_deleted_does_not_come_back_with_a_late_reply(
    chat: ChatPage, method: str, path: str, act: Act
) -> None:
    page = chat.page
    frames = Frames(page)
    page.reload()
    frames.until("listening")
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    hold(page, method, path)
    act(chat, "Say it.")
    until_held(page)
    chat.rows.hover()
    chat.rows.get_by_role("button").click()
    chat.choose("Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(chat.rows).to_have_count(0)
    frames.until("conversation-deleted")
    page.evaluate(SETTLED)
    expect(chat.rows).to_have_count(0)
    expect(page.get_by_text("Your conversations will be kept here.")).to_be_visible()


def test_what_is_deleted_here_is_not_said_to_be_deleted_elsewhere(chat: ChatPage) -> None:
    page = chat.page
    frames = Frames(page)
    page.reload()
    frames.until("listening")
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    hold(page, "DELETE", "/conversations/")
    chat.open_menu("Say it.")
    chat.choose("Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    # The notice to all tabs comes before the reply.
    expect(chat.rows).to_have_count(0)
    until_held(page)
    page.evaluate(SETTLED)
    expect(page.get_by_role("heading", name="What shall we think through?")).to_be_visible()
    assert page.locator(".toast").all_text_contents() == []


@pytest.mark.parametrize("works", [True, False], ids=["done", "refused"])
def test_what_was_changed_holds_until_the_server_has_answered(chat: ChatPage, works: bool) -> None:
    page = chat.page
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    held = held_back(page, "**/api/v1/conversations/*", method="PATCH")
    rename(chat, "Say it.")
    with page.expect_response("**/api/v1/conversations?*"):
        page.evaluate(READ_AGAIN)
    chat.open_menu("New name")
    chat.choose("Pin")
    expect(page.get_by_role("heading", name="Pinned")).to_be_visible()
    expect(chat.rows).to_have_text(["New name"])
    until(page, lambda: len(held) == 2)
    held[1].continue_()
    held[0].continue_() if works else held[0].abort()
    expect(chat.rows).to_have_text(["New name" if works else "Say it."])
    expect(page.get_by_role("heading", name="Pinned")).to_be_visible()


def test_nobody_sees_what_was_on_its_way_to_who_sat_here_before(chat: ChatPage) -> None:
    page = chat.page
    chat.ask("Something private.")
    chat.expect_said("Hello.")
    hold(page, "GET", r"/conversations\?")
    page.evaluate(READ_AGAIN)
    until_held(page)
    page.get_by_role("button", name="Sign out").click()
    expect(chat.entrance).to_be_visible()
    page.evaluate(SETTLED)
    expect(chat.rows).to_have_count(0)


def test_a_page_whose_user_changed_keeps_nothing_of_the_one_before(chat: ChatPage, open_page: OpenPage) -> None:
    page = chat.page
    chat.ask("Something private.")
    chat.expect_said("Hello.")
    page.evaluate("window.before = true")
    # As when another tab signs out and somebody else in, while this one sleeps.
    other = open_page()
    other.register("Grace Hopper")
    other.page.close()
    page.context.add_cookies(other.page.context.cookies())  # type: ignore[arg-type]  # what it gave it takes
    page.route("**/api/v1/conversations?*", refuse, times=1)
    page.evaluate(READ_AGAIN)
    expect(page.get_by_text("Grace Hopper")).to_be_visible()
    expect(page.get_by_role("heading", name="What shall we think through?")).to_be_visible()
    expect(page.get_by_text("Something private.")).to_have_count(0)
    assert page.evaluate("window.before") is None


def test_a_page_that_the_browser_kept_is_loaded_anew_before_anybody_sees_it(chat: ChatPage) -> None:
    page = chat.page
    chat.ask("Something private.")
    chat.expect_said("Hello.")
    # Signed out on another page, without a word to this one.
    page.context.clear_cookies()
    page.evaluate(
        "() => { const kept = new PageTransitionEvent('pageshow', { persisted: true });"
        " dispatchEvent(kept); sessionStorage.seen = document.body.innerText; }"
    )
    expect(chat.entrance).to_be_visible()
    assert "Something private." not in page.evaluate("sessionStorage.seen")
    expect(page.get_by_text("Something private.")).to_have_count(0)


def refuse(route: Route) -> None:
    """As a token is refused that is no longer good."""
    route.fulfill(status=401, json={"code": "not_authenticated", "detail": "Sign in."})
