"""A session that ends while somebody is at it: who comes back goes on, and nobody else finds anything."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.own_account import new_account
from tests.e2e.pages import PASSWORD, ChatPage, until
from tests.e2e.test_attachments import TEXT, attach, tray
from tests.e2e.test_late_replies import READ_AGAIN, SETTLED, hold, refuse, until_held

REFRESH = "**/api/v1/auth/refresh"
NOTE_THE_BOX = """
() => addEventListener("pagehide", () => { sessionStorage.left = document.getElementById("composer-box").value; })
"""


def end_session(page: Page) -> None:
    """As when it was ended on another device, and the page learns of it by its next request."""
    page.context.clear_cookies()
    page.route("**/api/v1/conversations?*", refuse, times=1)
    page.evaluate(READ_AGAIN)
    expect(page.get_by_text("You were signed out. Sign in to go on.")).to_be_visible()


def write(chat: ChatPage) -> None:
    """A conversation, and in it a question with a file that is not sent yet."""
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    attach(chat.page, TEXT)
    chat.box.fill("Half a thought")


def expect_nothing_of_it(chat: ChatPage) -> None:
    """Neither the question nor its file, nor the conversation."""
    expect(chat.page.get_by_role("heading", name="What shall we think through?")).to_be_visible()
    expect(chat.box).to_have_value("")
    expect(tray(chat.page)).to_have_count(0)
    assert "#" not in chat.page.url


def test_who_comes_back_goes_on_with_what_they_were_writing(chat: ChatPage) -> None:
    page = chat.page
    write(chat)
    address = page.url
    end_session(page)
    expect(chat.box).to_be_hidden()
    expect(page.get_by_text("notes.md", exact=True)).to_be_hidden()
    chat.sign_in()
    chat.expect_said("Hello.")
    assert page.url == address
    expect(chat.box).to_have_value("Half a thought")
    chat.box.press("Enter")
    expect(chat.questions.last.get_by_role("button", name="Open notes.md")).to_be_visible()
    expect(chat.answers).to_have_count(2)


def test_somebody_else_who_signs_in_finds_nothing_of_it(chat: ChatPage) -> None:
    write(chat)
    page = chat.page
    end_session(page)
    # Some browsers fill a form in again when its page is loaded anew.
    page.evaluate(NOTE_THE_BOX)
    other = ChatPage(page, chat.site)
    other.register("Grace Hopper")
    expect(page.get_by_text("Grace Hopper")).to_be_visible()
    expect_nothing_of_it(other)
    assert page.evaluate("sessionStorage.left") == ""


def test_who_signs_out_leaves_nothing_of_it(chat: ChatPage) -> None:
    page = chat.page
    write(chat)
    # The socket, which the server closes, tells of it before the reply does.
    hold(page, "POST", "/auth/logout")
    with page.expect_response(REFRESH):
        page.get_by_role("button", name="Sign out").click()
    page.evaluate(SETTLED)
    expect(chat.entrance).to_be_visible()
    expect(page.locator("#auth-note")).to_be_hidden()
    chat.sign_in()
    expect_nothing_of_it(chat)


def test_a_question_that_waited_for_the_connection_is_there_as_not_sent(chat: ChatPage) -> None:
    page = chat.page
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    held: list[Route] = []

    def hold_back(route: Route) -> None:
        held.append(route)

    page.route(REFRESH, hold_back, times=1)
    # The server closes the socket, and the page asks whether the session is over.
    headers = {"Authorization": f"Bearer {chat.api_token()}"}
    assert page.request.delete(f"{chat.site.url}/api/v1/auth/sessions", headers=headers).ok
    until(page, lambda: held)
    chat.ask("And again.")
    expect(chat.questions).to_have_count(2)
    held[0].continue_()
    expect(chat.entrance).to_be_visible()
    chat.sign_in()
    expect(chat.questions.last).to_contain_text("Not sent. You were signed out before it was sent.")
    chat.questions.last.get_by_role("button", name="Try again").click()
    expect(chat.answers).to_have_count(2)
    chat.expect_said("Hello.")


@pytest.mark.parametrize("is_dialog", [True, False], ids=["dialog", "menu"])
def test_what_was_open_does_not_bar_the_way_back(chat: ChatPage, is_dialog: bool) -> None:
    page = chat.page
    chat.ask("Say it.")
    chat.expect_said("Hello.")
    chat.open_menu("Say it.")
    if is_dialog:
        chat.choose("Delete")
    end_session(page)
    # By the keyboard: a click would close a menu anyhow.
    expect(page.get_by_label("Email")).to_be_focused()
    page.keyboard.type(chat.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(chat.rows).to_have_count(1)
    expect(page.get_by_role("menu")).to_be_hidden()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_what_is_shown_only_once_is_hidden_from_others_and_not_lost(open_page: OpenPage) -> None:
    account = new_account(open_page)
    page = account.page
    account.open("API keys")
    page.get_by_role("textbox", name="Name", exact=True).fill("For a program")
    page.get_by_role("button", name="Make the key").click()
    account.confirm("Make the key")
    expect(page.get_by_role("dialog", name="Your new API key")).to_be_visible()
    other = open_page(beside=page)
    other.page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You were signed out. Sign in to go on.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    account.chat.sign_in()
    [key] = account.keep_what_is_shown_once()
    assert len(key) > 20
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_who_closes_the_account_is_told_so_though_another_tab_knew_it_first(open_page: OpenPage) -> None:
    account = new_account(open_page)
    page = account.page
    other = open_page(beside=page)
    expect(other.box).to_be_visible()
    account.open("Your data")
    page.get_by_role("button", name="Close the account").click()
    hold(page, "POST", "/me/deactivat")
    with page.expect_response(REFRESH):
        account.confirm("Close the account")
    until_held(page)
    page.evaluate(SETTLED)
    expect(page.get_by_role("heading", name="Your account is closed")).to_be_visible()
