"""Staff erase a user in the console, and limit how long a group's conversations are kept."""

import re

from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage, until
from tests.e2e.site import Site
from tests.e2e.test_staff import staff_page


def test_a_user_is_erased_after_a_question(chat: ChatPage, open_page: OpenPage, site: Site) -> None:
    site.script("Goodbye.")
    chat.ask("A very particular farewell")
    chat.expect_answer("complete")
    staff = staff_page(open_page, site)
    staff.goto(f"{site.url}/admin/accounts/user/?q={chat.email}")
    staff.locator("input.action-select").first.check()
    staff.locator("select[name=action]").select_option("erase")
    staff.get_by_role("button", name="Run").click()
    expect(staff.get_by_role("heading", name=chat.email)).to_be_visible()
    expect(staff.get_by_text("messages: 2")).to_be_visible()
    staff.get_by_role("button", name="Erase").click()
    expect(staff.get_by_text("1 user will be erased")).to_be_visible()
    expect(chat.page.get_by_role("heading", name="Welcome back")).to_be_visible()
    staff.goto(f"{site.url}/admin/accounts/erasure/")

    def is_complete() -> int:
        staff.reload()
        return staff.locator("#result_list tbody tr").first.get_by_text("complete").count()

    # The job is another process's matter: the list says when it is done.
    until(staff, is_complete, every_ms=500)
    staff.goto(f"{site.url}/admin/accounts/user/?q={chat.email}")
    expect(staff.get_by_text("0 users")).to_be_visible()
    staff.goto(f"{site.url}/admin/accounts/erasure/")
    staff.get_by_role("link", name=re.compile(r"^\d{4}-\d\d-\d\d")).first.click()
    expect(staff.get_by_text("messages: deleted (2)")).to_be_visible()


def test_a_group_gets_a_rule_of_retention(open_page: OpenPage, site: Site) -> None:
    staff = staff_page(open_page, site)
    make = "from django.contrib.auth.models import Group; Group.objects.get_or_create(name='Guests')"
    site.manage("shell", "-c", make)
    staff.goto(f"{site.url}/admin/chat/retentionrule/add/")
    staff.locator("select[name=group]").select_option(label="Guests")
    staff.get_by_label("Days").fill("30")
    staff.get_by_role("button", name="Save", exact=True).click()
    expect(staff.get_by_text("30 days").first).to_be_visible()
    site.manage("shell", "-c", "from chat.models import RetentionRule; RetentionRule.objects.all().delete()")
