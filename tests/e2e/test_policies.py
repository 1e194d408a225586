"""Every page works under a policy that lets nothing run but its own scripts; what is smuggled into one does not run."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import ChatPage
from tests.e2e.site import Site
from tests.e2e.test_staff import staff_page

# Markup as somebody would have it in a page that forgot to escape it. Each way in would leave its letter.
SMUGGLED = """
() => new Promise((resolve) => {
  window.ran = "";
  const place = document.createElement("div");
  document.body.append(place);
  place.innerHTML = `
    <img src="data:," onerror="window.ran += 'a'">
    <svg onload="window.ran += 'b'"></svg>
    <a id="lure" href="javascript:window.ran += 'c'">x</a>
    <div x-data="{ open: $el.ownerDocument.defaultView.eval('window.ran += 1') }"></div>
    <div x-data x-init="$el.ownerDocument.defaultView.ran = 'd'"></div>
    <div x-data x-init="window.ran = 'e'"></div>
    <div x-data x-init="constructor.constructor('window.ran = 1')()"></div>
    <div x-data="{ f: $el.ownerDocument.defaultView.marks }" x-init="f('f')"></div>
    <div x-data x-init="f = $el.ownerDocument.defaultView.marks; f('g')"></div>
    <div x-data x-init="$el.ownerDocument.defaultView.marks"></div>
    <div x-data><template x-for="f in $el.ownerDocument.defaultView.holder"><i x-init="f('h')"></i></template></div>
    <div x-data x-bind="$el.ownerDocument.defaultView.bindings"></div>
    <div x-data x-init="$watch('x', () => window.ran = 'i')"></div>`;
  const script = document.createElement("script");
  script.textContent = "window.ran += 'j'";
  place.append(script);
  document.getElementById("lure").click();
  setTimeout(() => resolve(window.ran), 500);
})
"""
# Functions that a page might have lying about.
LYING_ABOUT = """
() => {
  window.marks = (letter = "?") => { window.ran += letter; };
  window.holder = { marks: window.marks };
  window.bindings = { "x-init"() { window.ran += "k"; }, "x-on:click"() {} };
}
"""
MODULE = "() => [...document.scripts].map((s) => [Boolean(s.nonce), s.textContent.trim().length > 0])"


def policy_of(page: Page, url: str) -> str:
    answer = page.request.get(url)
    return answer.headers["content-security-policy"]


def test_the_console_works_under_its_policy(chat: ChatPage, open_page: OpenPage, site: Site) -> None:
    site.script("Under a strict policy.")
    chat.ask("Does the console work?")
    chat.expect_answer("complete")
    staff = staff_page(open_page, site)
    links = staff.locator("#nav-sidebar a[href^='/admin/']")
    pages = {link.get_attribute("href") or "" for link in links.all()}
    assert len(pages) > 10
    # The page of the second factor stands alone, without the sidebar.
    pages.remove("/admin/second-factor/")
    staff.goto(f"{site.url}/admin/second-factor/")
    expect(staff.get_by_role("heading").first).to_be_visible()
    for path in sorted(pages):
        staff.goto(site.url + path)
        expect(staff.locator("#nav-sidebar")).to_be_visible()
        rows = staff.locator("#result_list a[href*='/change/']")
        if rows.count():
            rows.first.click()
            expect(staff.locator("#content")).to_be_visible()
        if staff.goto(f"{site.url}{path}add/").ok:  # type: ignore[union-attr]
            expect(staff.locator("#content form")).to_be_visible()


def test_the_consoles_scripts_do_their_work(chat: ChatPage, open_page: OpenPage, site: Site) -> None:
    staff = staff_page(open_page, site)
    staff.goto(f"{site.url}/admin/accounts/user/")
    # A search, by its shortcut: Alpine listens to the window.
    staff.keyboard.press("/")
    expect(staff.locator("#searchbar")).to_be_focused()
    staff.keyboard.type(chat.email)
    staff.keyboard.press("Enter")
    expect(staff.locator("#result_list tbody tr")).to_have_count(1)
    # The action's button comes when an action is chosen for a row, and is as wide as the list.
    staff.locator("#result_list input.action-select").first.check()
    actions = staff.locator("select[name=action]")
    submit = staff.locator("#changelist-actions button[type=submit]")
    expect(submit).to_be_hidden()
    actions.select_option(index=1)
    expect(submit).to_be_visible()
    # A filter.
    staff.goto(f"{site.url}/admin/accounts/user/")
    staff.locator("[x-on\\:click='filterOpen = true']").first.click()
    panel = staff.locator("#changelist-filter")
    expect(panel).to_be_visible()
    staff.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    # Dark and light.
    root = staff.locator("html")
    staff.evaluate("localStorage.clear()")
    for look in ("dark", "light"):
        staff.locator("[x-on\\:click='openUserLinks = !openUserLinks']").first.click()
        staff.locator(f"""[x-on\\:click="switchTheme('{look}')"]""").click()
        expect(root).to_have_class(re.compile(rf"\b{look}\b"))
        staff.reload()
        expect(root).to_have_class(re.compile(rf"\b{look}\b"))
    # The sidebar folds, and stays so.
    staff.locator("[x-on\\:click*='sidebarDesktopOpen = !sidebarDesktopOpen']").first.click()
    expect(staff.locator("#nav-sidebar")).to_be_hidden()
    staff.reload()
    expect(staff.locator("#nav-sidebar")).to_be_hidden()


def test_what_is_smuggled_into_the_console_does_not_run(open_page: OpenPage, site: Site) -> None:
    page = staff_page(open_page, site)
    outside = page.context.new_page()  # nobody watches this one: it is to be refused much
    outside.goto(f"{site.url}/admin/")
    outside.evaluate(LYING_ABOUT)
    assert outside.evaluate(SMUGGLED) == ""


def test_the_documentation_works_under_its_policy(open_page: OpenPage, site: Site) -> None:
    docs = open_page(path="/api/v1/docs").page
    expect(docs.get_by_role("heading", name="Eloquent AI")).to_be_visible()
    docs.locator("#operations-tag-accounts, .opblock-tag").first.wait_for()
    operation = docs.locator(".opblock").first
    operation.locator(".opblock-summary-control, .opblock-summary").first.click()
    docs.get_by_role("button", name="Try it out").first.click()
    expect(docs.get_by_role("button", name="Execute").first).to_be_visible()


def test_error_pages_run_nothing_and_look_like_ours(open_page: OpenPage, site: Site) -> None:
    page = open_page(path="/nowhere").page
    expect(page.get_by_role("heading", name="There is nothing at this address")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).display") == "grid"
    assert "script-src" not in policy_of(page, f"{site.url}/nowhere")


def test_every_script_of_a_page_carries_the_nonce_of_that_answer(chat: ChatPage, site: Site) -> None:
    page = chat.page
    assert all(nonced for nonced, _ in page.evaluate(MODULE))
    for path in ("/", "/account/reset-password", "/admin/login/", "/api/v1/docs"):
        policies = {policy_of(page, site.url + path) for _ in range(2)}
        assert len(policies) == 2, "the nonce is the same twice"
        for policy in policies:
            assert re.search(r"script-src 'nonce-[\w-]{22}';", policy), policy
            assert "unsafe" not in policy
