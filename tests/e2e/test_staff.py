"""Staff find in the console what happened on the page."""

import re

from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage
from tests.e2e.site import Site


def test_staff_find_the_user_and_the_conversation(chat: ChatPage, open_page: OpenPage, site: Site) -> None:
    site.script("A very particular answer.")
    chat.ask("A very particular question")
    chat.expect_answer("complete")
    printed = site.manage("create_staff", "--email", "console@example.org")
    password = re.search(r"[Pp]assword\S*\s+(\S+)", printed)
    assert password, printed
    staff = open_page(path="/admin/").page
    staff.get_by_label(re.compile("email", re.IGNORECASE)).fill("console@example.org")
    staff.get_by_label(re.compile("password", re.IGNORECASE)).fill(password[1])
    staff.get_by_role("button", name=re.compile("log in|sign in", re.IGNORECASE)).click()
    staff.goto(f"{site.url}/admin/accounts/user/?q={chat.email}")
    expect(staff.get_by_text(chat.email).first).to_be_visible()
    staff.goto(f"{site.url}/admin/chat/conversation/?q=particular")
    staff.get_by_role("link", name="A very particular question").first.click()
    expect(staff.get_by_text("A very particular answer.").first).to_be_visible()
    # The staff's page is not the reader's: their session on the one is none on the other.
    staff.goto(site.url)
    expect(staff.get_by_role("heading", name="Welcome back")).to_be_visible()
