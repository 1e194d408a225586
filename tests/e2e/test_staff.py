"""Staff find in the console what happened on the page."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage
from tests.e2e.site import REAL, SCRIPTED, Site


def set_own_password(page: Page, given: str) -> str:
    """Exchange the password that the command made up, as the console asks at the first sign-in; the new one."""
    own = f"{secrets.token_hex(8)} lanterns"
    page.locator("input[name=old_password]").fill(given)
    page.locator("input[name=new_password1]").fill(own)
    page.locator("input[name=new_password2]").fill(own)
    page.locator("form:has(input[name=old_password]) [type=submit]").click()
    page.wait_for_url("**/password_change/done/")
    return own


def staff_page(open_page: OpenPage, site: Site) -> Page:
    """The console, signed in."""
    email = f"{secrets.token_hex(4)}@example.org"
    printed = site.manage("create_staff", "--email", email)
    password = re.search(r"[Pp]assword\S*\s+(\S+)", printed)
    assert password, printed
    staff = open_page(path="/admin/").page
    staff.get_by_label(re.compile("email", re.IGNORECASE)).fill(email)
    staff.get_by_label(re.compile("password", re.IGNORECASE)).fill(password[1])
    staff.get_by_role("button", name=re.compile("log in|sign in", re.IGNORECASE)).click()
    set_own_password(staff, password[1])
    staff.goto(f"{site.url}/admin/")
    expect(staff.get_by_role("link", name="Conversations").first).to_be_visible()
    return staff


def test_staff_find_the_user_and_the_conversation(chat: ChatPage, open_page: OpenPage, site: Site) -> None:
    site.script("A very particular answer.")
    chat.ask("A very particular question")
    chat.expect_answer("complete")
    staff = staff_page(open_page, site)
    staff.goto(f"{site.url}/admin/accounts/user/?q={chat.email}")
    expect(staff.get_by_text(chat.email).first).to_be_visible()
    staff.goto(f"{site.url}/admin/chat/conversation/?q=particular")
    staff.get_by_role("link", name="A very particular question").first.click()
    expect(staff.get_by_text("A very particular answer.").first).to_be_visible()
    # The staff's page is not the reader's: their session on the one is none on the other.
    staff.goto(site.url)
    expect(staff.get_by_role("heading", name="Welcome back")).to_be_visible()


@pytest.fixture
def _undecided(site: Site) -> Iterator[None]:
    """Nothing is decided about language models when the test is over."""
    yield
    site.manage("shell", "-c", "from inference.models import ModelEntry; ModelEntry.objects.all().delete()")


def offered(chat: ChatPage, token: str) -> list[dict[str, Any]]:
    """The language models that people may choose."""
    return chat.api("/models", token=token)["items"]


def until_offered(chat: ChatPage, title: str) -> None:
    """Wait until the server knows of what was decided elsewhere, which tells nobody."""
    token = chat.api_token()
    for _ in range(120):
        if title in (model["name"] for model in offered(chat, token)):
            return
        chat.page.wait_for_timeout(250)
    pytest.fail(f"{title} is not offered")


@pytest.mark.usefixtures("_undecided")
def test_staff_rename_a_language_model_and_people_see_its_new_name(
    chat: ChatPage, open_page: OpenPage, site: Site
) -> None:
    site.script("Hello.")
    [model, *_] = offered(chat, chat.api_token())
    staff = staff_page(open_page, site)
    staff.get_by_role("link", name="Catalog").first.click()
    staff.get_by_role("link", name=re.compile("Add language model")).first.click()
    staff.get_by_label("Name on its server").fill(model["name"])
    staff.get_by_label("Name shown").fill("The Fabulist")
    staff.get_by_label("Fallbacks").fill("no id")
    staff.get_by_role("button", name="Save", exact=True).click()
    expect(staff.get_by_text("is no id, which has the form provider/name")).to_be_visible()
    staff.get_by_label("Fallbacks").fill("")
    staff.get_by_role("button", name="Save", exact=True).click()
    expect(staff.get_by_role("link", name="The Fabulist").first).to_be_visible()
    chat.ask("Hi")
    chat.expect_answer("complete")
    for _ in range(10):
        chat.page.reload()
        chat.expect_answer("complete")
        if chat.page.get_by_text("The Fabulist").count():
            break
        chat.page.wait_for_timeout(500)
    expect(chat.page.get_by_text("The Fabulist").first).to_be_attached()


@pytest.mark.usefixtures("_undecided")
def test_a_reader_sees_that_another_model_began_anew(chat: ChatPage, site: Site) -> None:
    decided = f"provider='ollama', name='{SCRIPTED}:latest', title='The Fabulist', fallbacks=['llamacpp/{REAL}']"
    site.manage("shell", "-c", f"from inference.models import ModelEntry; ModelEntry.objects.create({decided})")
    site.script("Half an ", "answer ", "that ", "breaks.", dies_after=2)
    until_offered(chat, "The Fabulist")
    chat.ask("Hi")
    chat.expect_answer("complete")
    expect(chat.page.get_by_text("“The Fabulist” stopped in the middle; ")).to_be_visible()
    expect(chat.page.get_by_text("begins anew.")).to_be_visible()
    expect(chat.text).not_to_contain_text("Half an answer")
    chat.page.reload()
    chat.expect_answer("complete")
    expect(chat.text).not_to_contain_text("Half an answer")
