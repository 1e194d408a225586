"""Signing in with an account at a provider, from the page and back to it."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import PASSWORD, ChatPage
from tests.e2e.site import Site
from tests.e2e.test_second_factor import add_app, code_of


def button(page: Page) -> Any:
    return page.get_by_role("link", name="Continue with Example")


LINK = """
async () => {
  const post = async (path, body, headers = {}) => (await fetch(`/api/v1${path}`, {
    method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body),
  })).json();
  const { access_token: token } = await post("/auth/refresh", { cookie: true });
  const proof = { next: "/", current_password: "PASSWORD" };
  return (await post("/me/identities/example/start", proof, { Authorization: `Bearer ${token}` })).url;
}
""".replace("PASSWORD", PASSWORD)


def linked(page: Page) -> None:
    """Begin a link in the page's own session, and come back from the provider."""
    page.goto(page.evaluate(LINK))


def test_the_button_leads_to_the_provider_and_back_into_the_chat(visit: ChatPage) -> None:
    page = visit.page
    button(page).click()
    expect(visit.box).to_be_visible()
    expect(page.locator("#user-name")).to_have_text("Ada")
    assert page.url == f"{visit.site.url}/"
    page.reload()
    expect(visit.box).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(button(page)).to_be_visible()


def test_one_comes_back_to_the_conversation_that_one_wanted_to_see(visit: ChatPage) -> None:
    page = visit.page
    button(page).click()
    visit.site.script("Noted.")
    visit.ask("Remember the sea.")
    visit.expect_answer("complete")
    address = page.url
    page.context.clear_cookies()
    page.goto("about:blank")
    page.goto(address)
    button(page).click()
    visit.expect_said("Noted.")
    assert page.url == address


def test_what_went_wrong_is_said_once(visit: ChatPage) -> None:
    page = visit.page
    visit.site.provider.claims = {"nonce": "wrong"}
    button(page).click()
    expect(page.locator("#auth-note")).to_contain_text("could not be trusted")
    assert page.url == f"{visit.site.url}/"
    page.reload()
    expect(button(page)).to_be_visible()
    expect(page.locator("#auth-note")).to_be_hidden()
    visit.site.provider.be_good()
    button(page).click()
    expect(visit.box).to_be_visible()


def test_a_code_that_is_no_good_is_said_to_be(open_page: OpenPage) -> None:
    chat = open_page(path="/#openid_code=made-up")
    expect(chat.page.locator("#auth-note")).to_contain_text("cannot be completed")
    assert chat.page.url == f"{chat.site.url}/"


def test_without_an_answer_about_providers_the_form_stands_alone(open_page: OpenPage, site: Site) -> None:
    chat = open_page(path="/healthz")
    chat.page.route("**/auth/openid/providers", lambda route: route.abort())
    chat.page.goto(site.url)
    expect(chat.page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(chat.page.locator("#elsewhere")).to_be_hidden()
    chat.register()


def test_a_link_that_was_begun_by_this_session_is_completed_by_the_page(visit: ChatPage, site: Site) -> None:
    page = visit.page
    visit.register()
    site.provider.person |= {"sub": "to-be-linked", "email": "elsewhere@example.net"}
    linked(page)
    expect(page.get_by_text("Example (elsewhere@example.net) now opens your account.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    button(page).click()
    expect(page.locator("#user-email")).to_have_text(visit.email)


def test_who_has_a_second_factor_is_asked_for_it_on_the_page(visit: ChatPage, site: Site) -> None:
    page = visit.page
    visit.register()
    site.provider.person |= {"sub": "careful", "email": "careful@example.net"}
    begun = page.request.post(
        f"{site.url}/api/v1/me/identities/example/start",
        data={"next": "/", "current_password": PASSWORD},
        headers={"Authorization": f"Bearer {visit.api_token()}"},
    )
    # Another session has begun it, and so it is not this page that may complete it.
    page.goto(begun.json()["url"])
    expect(page.get_by_text("This sign-in cannot be completed. Begin it again.")).to_be_visible()
    linked(page)
    expect(page.get_by_text("now opens your account")).to_be_visible()
    secret, _ = add_app(visit)
    page.get_by_role("button", name="Sign out").click()
    button(page).click()
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    expect(button(page)).to_be_hidden()
    page.get_by_label("Code").fill(code_of(secret, 1))
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#user-email")).to_have_text(visit.email)
