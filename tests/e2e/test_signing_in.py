"""Accounts through the page: what goes wrong is said in words, and a session comes back by itself."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import PASSWORD, ChatPage
from tests.e2e.site import Site

# Waits for another tab to say whom it has.
HEAR = """
() => { window.heard = new Promise((resolve) => { new BroadcastChannel('eloquent-session').onmessage = resolve; }); }
"""


def test_what_is_wrong_with_a_new_account_stands_at_its_fields(open_page: OpenPage) -> None:
    chat = open_page()
    page = chat.page
    page.get_by_role("button", name="Create an account").click()
    page.get_by_role("button", name="Create account").click()
    expect(page.locator("#email-fault")).to_have_text("Enter your email address.")
    page.get_by_label("Email").fill("nobody")
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_role("button", name="Create account").click()
    expect(page.locator("#email-fault")).to_contain_text("email")
    expect(page.get_by_label("Email")).to_be_focused()
    page.get_by_label("Email").fill(chat.email)
    page.get_by_role("button", name="Create account").click()
    expect(page.locator("#password-fault")).to_contain_text("characters")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(chat.box).to_be_focused()


def test_an_email_address_that_is_taken_is_said_to_be(chat: ChatPage, open_page: OpenPage) -> None:
    other = open_page()
    other.page.get_by_role("button", name="Create an account").click()
    other.page.get_by_label("Email").fill(chat.email)
    other.page.get_by_label("Password", exact=True).fill(PASSWORD)
    other.page.get_by_role("button", name="Create account").click()
    expect(other.page.get_by_role("alert").filter(has_text="mail").first).to_be_visible()
    expect(other.box).to_be_hidden()


def test_a_wrong_password_is_refused_and_the_right_one_is_not(chat: ChatPage) -> None:
    chat.page.get_by_role("button", name="Sign out").click()
    chat.sign_in("not the password")
    expect(chat.page.locator("#auth-error")).to_contain_text("password")
    expect(chat.box).to_be_hidden()
    chat.sign_in()
    expect(chat.box).to_be_visible()


def test_a_reload_keeps_one_signed_in_and_signing_out_does_not(chat: ChatPage) -> None:
    chat.page.reload()
    expect(chat.box).to_be_visible()
    chat.page.get_by_role("button", name="Sign out").click()
    expect(chat.page.get_by_role("heading", name="Welcome back")).to_be_visible()
    chat.page.reload()
    expect(chat.page.get_by_role("heading", name="Welcome back")).to_be_visible()


def test_signing_out_in_one_tab_signs_the_other_out(chat: ChatPage, open_page: OpenPage) -> None:
    other = open_page(beside=chat.page)
    expect(other.box).to_be_visible()
    chat.page.get_by_role("button", name="Sign out").click()
    expect(other.page.get_by_text("You were signed out. Sign in to go on.")).to_be_visible()


@pytest.mark.parametrize(("here", "there"), [("/", "/account"), ("/account", "/account")])
def test_signing_out_in_one_tab_signs_the_account_page_in_another_out(
    chat: ChatPage, open_page: OpenPage, here: str, there: str
) -> None:
    chat.page.goto(chat.site.url + here)
    other = open_page(beside=chat.page, path=there)
    expect(other.page.get_by_label("What you are called")).to_be_visible()
    chat.page.get_by_role("button", name="Sign out").first.click()
    expect(other.page.get_by_text("You were signed out. Sign in to go on.")).to_be_visible()
    expect(other.page.get_by_label("What you are called")).to_be_hidden()


def test_a_tab_of_another_user_begins_anew_when_somebody_signs_in_beside_it(
    chat: ChatPage, open_page: OpenPage
) -> None:
    chat.page.goto(f"{chat.site.url}/account")
    expect(chat.page.locator("#account-who")).to_have_text("Ada Lovelace")
    other = open_page(beside=chat.page, path=None)
    # A second person's sign-in in the same browser, of which the server told this tab nothing.
    other.page.context.clear_cookies()
    other.page.goto(other.site.url)
    other.register("Grace Hopper")
    expect(chat.page.locator("#account-who")).to_have_text("Grace Hopper")


def test_a_tab_more_replaces_no_token_of_those_beside_it(chat: ChatPage, open_page: OpenPage) -> None:
    page = chat.page
    asked: list[str] = []
    page.evaluate(HEAR)
    page.on("request", lambda request: asked.append(request.url))
    other = open_page(beside=page, path="/account")
    expect(other.page.get_by_label("What you are called")).to_be_visible()
    # Whoever replaces a token holds this lock.
    page.evaluate("heard.then(() => navigator.locks.request('eloquent-refresh', () => {}))")
    assert [url for url in asked if url.endswith("/auth/refresh")] == []


def test_a_token_that_ran_out_is_replaced_without_a_word(chat: ChatPage, site: Site) -> None:
    refused: list[str] = []

    def refuse_once(route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=401, json={"status": 401, "code": "not_signed_in", "detail": "Sign in."})

    chat.page.route("**/api/v1/conversations", refuse_once, times=1)
    site.script("Hello.")
    chat.ask("Hi")
    chat.expect_said("Hello.")
    assert len(refused) == 1


def test_a_server_that_is_away_at_the_start_is_said_and_tried_again(chat: ChatPage, site: Site) -> None:
    chat.page.route("**/api/v1/auth/refresh", lambda route: route.abort("connectionrefused"))
    chat.page.reload()
    expect(chat.page.get_by_role("heading", name="We can’t reach the server")).to_be_visible()
    chat.page.get_by_role("button", name="Try again").click()
    expect(chat.page.get_by_role("heading", name="We can’t reach the server")).to_be_visible()
    chat.page.unroute("**/api/v1/auth/refresh")
    chat.page.get_by_role("button", name="Try again").click()
    expect(chat.box).to_be_visible()


def test_a_script_that_does_not_arrive_is_said(open_page: OpenPage) -> None:
    chat = open_page()
    chat.page.route("**/static/chat/app.js", lambda route: route.abort("connectionreset"))
    chat.page.reload()
    expect(chat.page.get_by_text("A part of this page did not arrive.")).to_be_visible()
    chat.page.unroute("**/static/chat/app.js")
    chat.page.get_by_role("button", name="Try again").click()
    expect(chat.page.get_by_role("heading", name="Welcome back")).to_be_visible()
