"""The list of conversations: all of them are reached, whatever came first, and what left it is left alone."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage, Frames, until
from tests.e2e.site import REAL
from tests.e2e.test_late_replies import READ_AGAIN

LIST = "**/api/v1/conversations?*"
AT_THE_END = """
(count) => {
  const rows = document.querySelectorAll("#conversation-list .conversation");
  [...rows].at(-1)?.scrollIntoView();
  return rows.length === count && document.querySelector("#conversations-more").hidden;
}
"""


class Listed:
    """Conversations that the server lists: a number tells how old one is."""

    def __init__(self, page: Page, numbers: range) -> None:
        self.numbers = list(numbers)
        self.held: list[Route] = []
        self.holds: str | None = None
        """Requests with this in their addresses wait until they are let go."""
        page.route(LIST, self._serve)

    def _serve(self, route: Route) -> None:
        if self.holds and self.holds in route.request.url:
            self.held.append(route)
            return
        asked = parse_qs(urlsplit(route.request.url).query)
        begins = int(asked.get("cursor", ["-1"])[0])
        rest = sorted(number for number in self.numbers if number > begins)
        page = rest[: int(asked["limit"][0])]
        cursor = str(page[-1]) if len(rest) > len(page) else None
        route.fulfill(json={"items": [_conversation(number) for number in page], "next_cursor": cursor})

    def let_go(self) -> None:
        """Answer what was held back."""
        self.holds = None
        for route in self.held:
            self._serve(route)


def _conversation(number: int) -> dict[str, Any]:
    at = f"2026-01-05T{23 - number // 60:02}:{59 - number % 60:02}:00Z"
    title = f"Number {number}"
    return {"id": f"{number + 1:024x}", "title": title, "pinned": False, "archived": False, "updated_at": at}


def to_the_end(chat: ChatPage, count: int) -> None:
    """Scroll until this many are there, and no more are promised."""
    until(chat.page, lambda: chat.page.evaluate(AT_THE_END, count))


def test_a_list_that_failed_at_first_is_read_to_its_end(chat: ChatPage) -> None:
    page = chat.page
    fault = {"code": "unavailable", "detail": "Not now."}
    page.route(LIST, lambda route: route.fulfill(status=503, json=fault))
    page.reload()
    expect(page.get_by_text("Not now.")).to_be_visible()
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    expect(chat.rows).to_have_count(1)
    page.unroute(LIST)
    Listed(page, range(40))
    page.get_by_role("button", name="Try again").click()
    to_the_end(chat, 41)


def test_a_list_that_comes_after_the_conversation_opened_is_read_to_its_end(
    chat: ChatPage, open_page: OpenPage
) -> None:
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    other = open_page(beside=chat.page, path=None)
    listed = Listed(other.page, range(40))
    listed.holds = "limit="
    other.page.goto(chat.page.url)
    expect(other.rows).to_have_text(["Say it."])
    listed.let_go()
    to_the_end(other, 41)


@pytest.mark.parametrize(
    ("before", "added"),
    [(range(5), range(5, 90)), (range(0, 90, 2), range(1, 90, 2)), (range(50, 110), range(50))],
    ids=["below", "between", "above"],
)
def test_what_was_imported_is_reached(chat: ChatPage, before: range, added: range) -> None:
    page = chat.page
    listed = Listed(page, before)
    page.reload()
    to_the_end(chat, len(before))
    listed.numbers += added
    with page.expect_response(LIST):
        page.evaluate(READ_AGAIN)
    to_the_end(chat, len(before) + len(added))
    titles = [f"Number {number}" for number in sorted(listed.numbers)]
    expect(chat.rows).to_have_text(titles)


def test_a_list_that_is_begun_anew_while_more_is_read_leaves_nothing_out(chat: ChatPage) -> None:
    page = chat.page
    listed = Listed(page, range(100, 160))
    page.reload()
    expect(chat.rows).to_have_count(30)
    listed.holds = "cursor="
    with page.expect_request("**/api/v1/conversations?*cursor=*"):
        chat.rows.last.scroll_into_view_if_needed()
    listed.numbers += range(100)
    page.evaluate(READ_AGAIN)
    expect(chat.rows).to_have_count(60)
    listed.let_go()
    to_the_end(chat, 160)


def test_a_high_screen_is_filled(open_page: OpenPage) -> None:
    chat = open_page(path=None, viewport={"width": 1280, "height": 4000})
    Listed(chat.page, range(80))
    chat.enter_registered()
    expect(chat.rows).to_have_count(80)


def test_the_menu_of_a_conversation_that_was_deleted_elsewhere_goes_with_it(chat: ChatPage) -> None:
    page = chat.page
    frames = Frames(page)
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    gone = chat.conversation_id()
    page.get_by_role("button", name="New conversation", exact=True).click()
    page.reload()
    frames.until("listening")
    chat.open_menu("Say it.")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    headers = {"Authorization": f"Bearer {chat.api_token()}"}
    page.request.delete(f"{chat.site.url}/api/v1/conversations/{gone}", headers=headers)
    expect(chat.rows).to_have_count(0)
    expect(page.get_by_role("menu")).to_be_hidden()
    expect(page.get_by_role("button", name="New conversation", exact=True)).to_be_focused()


def test_a_model_is_chosen_for_a_conversation_that_is_not_in_the_list_yet(chat: ChatPage, open_page: OpenPage) -> None:
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    other = open_page(beside=chat.page, path=None)
    page, one = other.page, f"**/api/v1/conversations/{chat.conversation_id()}"
    page.route(LIST, lambda _: None)
    reads: list[Route] = []
    page.route(one, lambda route: reads.append(route) if route.request.method == "GET" else route.continue_())
    page.goto(chat.page.url)
    other.expect_said("Hello.")
    with page.expect_response(one) as changed:
        picker = page.get_by_label("Language model")
        picker.select_option(value=next(v for v in values(page) if REAL in v))
    assert REAL in changed.value.json()["model"]
    expect(other.rows).to_have_text(["Say it."])
    expect(other.rows.get_by_role("link")).to_have_attribute("href", f"#/c/{chat.conversation_id()}")
    expect(picker).to_have_value(changed.value.json()["model"])


def values(page: Page) -> list[str]:
    """What can be chosen."""
    options = page.locator("#model-picker option")
    expect(options).not_to_have_count(0)
    return options.evaluate_all("(options) => options.map((option) => option.value)")


def test_a_conversation_that_is_found_to_be_gone_leaves_the_list(chat: ChatPage) -> None:
    Listed(chat.page, range(2))
    chat.page.reload()
    chat.rows.filter(has_text="Number 1").get_by_role("link").click()
    expect(chat.page.get_by_text("This conversation does not exist any more.")).to_be_visible()
    expect(chat.rows).to_have_text(["Number 0"])
