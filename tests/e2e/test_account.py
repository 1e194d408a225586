"""The pages that letters lead to, from the letter to the chat: each says what happened, and what to do if it cannot."""

import json
import re
import secrets
import time
from functools import partial

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.pages import PASSWORD, ChatPage
from tests.e2e.site import Site

NEW = "violet harbour thursday kettle"


def path_of(site: Site, link: str) -> str:
    assert link.startswith(f"{site.url}/account/"), link
    return link.removeprefix(site.url)


def invited(site: Site, *arguments: str) -> str:
    """The link that the command prints."""
    printed = site.manage("invite", *arguments)
    return next(word for word in printed.split() if word.startswith("http"))


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_the_email_is_confirmed_by_a_button_and_the_link_says_when_it_was_used(
    chat: ChatPage, open_page: OpenPage, site: Site
) -> None:
    first = path_of(site, site.mail.letter_to(chat.email, "Confirm").link)
    site.mail.taken.clear()
    chat.page.get_by_role("button", name="Send the letter again").click()
    expect(chat.page.get_by_text(f"A letter is on its way to {chat.email}.")).to_be_visible()
    link = path_of(site, site.mail.letter_to(chat.email, "Confirm").link)
    assert link != first
    # Whoever only opens it, as mail programs do that look at links, has used nothing.
    open_page(path=link).page.wait_for_load_state("networkidle")
    # Nor has whoever reads the owner's mail and does not know the account's password.
    page = open_page(path=link, viewport={"width": 390, "height": 800}).page
    password = page.get_by_label("The password of your account")
    expect(password).to_be_hidden()
    page.get_by_role("button", name="Confirm").click()
    expect(password).to_be_focused()
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.locator("#current_password-fault")).to_have_text("The current password is wrong.")
    password.fill(PASSWORD)
    page.keyboard.press("Enter")
    heading(page, "Your email address is confirmed")
    expect(page.get_by_text(chat.email)).to_be_visible()
    assert "#" not in page.url
    chat.page.reload()
    expect(chat.box).to_be_visible()
    expect(chat.page.get_by_role("button", name="Send the letter again")).to_be_hidden()
    again = open_page(path=link).page
    again.get_by_role("button", name="Confirm").click()
    heading(again, "This link is not valid any more")
    again.get_by_role("link", name="Go to the chat").click()
    heading(again, "Welcome back")


def test_a_forgotten_password_is_set_anew_and_signs_in(chat: ChatPage, open_page: OpenPage, site: Site) -> None:
    other = open_page()
    page = other.page
    page.get_by_role("link", name="Forgot password?").click()
    page.get_by_role("button", name="Send the link").click()
    expect(page.locator("#email-fault")).to_have_text("Enter your email address.")
    page.get_by_label("Email").fill(chat.email)
    page.keyboard.press("Enter")
    heading(page, "Look at your mail")
    link = path_of(site, site.mail.letter_to(chat.email, "Set a new password").link)
    page.goto(site.url + link)
    page.get_by_label("New password", exact=True).fill("Password2024!")
    page.get_by_role("button", name="Set the password").click()
    expect(page.locator("#password-fault")).to_contain_text("too common")
    expect(page.get_by_label("New password", exact=True)).to_be_focused()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("New password", exact=True)).to_have_attribute("type", "text")
    page.get_by_label("New password", exact=True).fill(NEW)
    page.keyboard.press("Enter")
    heading(page, "Your new password is set")
    expect(page.get_by_text(f"You are signed in here as {chat.email}.")).to_be_visible()
    page.get_by_role("link", name="Go to the chat").click()
    expect(other.box).to_be_visible()
    # The first device was signed out, and hears of it.
    expect(chat.page.get_by_role("heading", name="Welcome back")).to_be_visible()
    chat.sign_in(NEW)
    expect(chat.box).to_be_visible()
    dead = open_page(path=link).page
    dead.get_by_label("New password", exact=True).fill(NEW)
    dead.keyboard.press("Enter")
    heading(dead, "This link is not valid any more")
    dead.get_by_role("link", name="Have a new link sent").click()
    heading(dead, "Forgot your password?")


def test_an_invitation_makes_an_account_for_its_email(open_page: OpenPage, site: Site) -> None:
    email = f"guest{time.time_ns()}@example.org"
    link = invited(site, email)
    assert site.mail.letter_to(email, "invited").link == link
    chat = open_page()
    chat.page.get_by_role("link", name="I have an invitation").click()
    chat.page.get_by_role("button", name="Go on").click()
    expect(chat.page.locator("#link-fault")).to_contain_text("Paste the link")
    chat.page.get_by_label("The link of the invitation").fill(link)
    chat.page.keyboard.press("Enter")
    expect(chat.page.get_by_label("Email")).to_have_value(email)
    expect(chat.page.get_by_label("Email")).not_to_be_editable()
    chat.page.get_by_label("Password", exact=True).fill(PASSWORD)
    chat.page.get_by_role("button", name="Make the account").click()
    expect(chat.box).to_be_visible()
    # The command does not know at which port the server of this test listens.
    used = open_page(path=link[link.index("/account/") :]).page
    heading(used, "This invitation is not valid any more")


def test_both_addresses_confirm_a_new_email(chat: ChatPage, open_page: OpenPage, site: Site) -> None:
    link = path_of(site, site.mail.letter_to(chat.email, "Confirm").link)
    verify = open_page(beside=chat.page, path=link).page
    verify.get_by_role("button", name="Confirm").click()
    heading(verify, "Your email address is confirmed")
    new = f"new{time.time_ns()}@example.org"
    answer = chat.page.evaluate(
        """async ([email, new_email, password]) => {
          const ask = (path, body, token) => fetch("/api/v1" + path, {method: "POST", body: JSON.stringify(body),
            headers: {"Content-Type": "application/json", ...(token && {Authorization: `Bearer ${token}`})}});
          const grant = await (await ask("/auth/login", {email, password})).json();
          return (await ask("/me/email", {new_email, current_password: password}, grant.access_token)).status;
        }""",
        [chat.email, new, PASSWORD],
    )
    assert answer == 202
    for address, about, said in (
        (new, "new email", "Half of it is done"),
        (chat.email, "Change your email", "Your email address has changed"),
    ):
        page = open_page(path=path_of(site, site.mail.letter_to(address, about).link)).page
        page.get_by_role("button", name="Confirm").click()
        heading(page, said)
    site.mail.letter_to(chat.email, "was changed")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("verify-email", "This link is not complete"),
        ("reset-password#", "This link is not complete"),
        ("confirm-email#<img src=x onerror=alert(1)>", "Confirm the new email address"),
        ("accept-invitation#" + "x" * 43, "This invitation is not valid any more"),
    ],
)
def test_a_link_that_was_cut_or_made_up_is_said_to_be(open_page: OpenPage, path: str, said: str) -> None:
    page = open_page(path=f"/account/{path}").page
    heading(page, said)
    if "img" in path:
        page.get_by_role("button", name="Confirm").click()
        expect(page.locator("#fault")).to_be_visible()
        assert page.locator("img[src=x]").count() == 0


def test_a_server_that_is_away_is_said_and_the_link_is_not_lost(
    chat: ChatPage, open_page: OpenPage, site: Site
) -> None:
    link = path_of(site, site.mail.letter_to(chat.email, "Confirm").link)
    page = open_page(beside=chat.page, path=link).page
    page.route("**/api/v1/auth/verify-email", lambda route: route.abort("connectionrefused"))
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#fault")).to_contain_text("cannot be reached")
    page.unroute("**/api/v1/auth/verify-email")
    page.get_by_role("button", name="Confirm").click()
    heading(page, "Your email address is confirmed")


def _answer(told: dict[str, object], route: Route) -> None:
    route.fulfill(json=told)


def test_the_sign_in_offers_what_this_service_lets_people_do(open_page: OpenPage) -> None:
    chat = open_page()
    page = chat.page
    expect(page.get_by_role("button", name="Create an account")).to_be_visible()
    for mode, mail, shown in (("invitation", True, (False, True, True)), ("closed", False, (False, False, False))):
        may = {"mode": mode, "mail": mail, "email_verification": "off"}
        page.route("**/api/v1/auth/registration", partial(_answer, may))
        page.reload()
        offers = (
            page.get_by_role("button", name="Create an account"),
            page.get_by_role("link", name="I have an invitation"),
            page.get_by_role("link", name="Forgot password?"),
        )
        heading(page, "Welcome back")
        for offer, is_shown in zip(offers, shown, strict=True):
            expect(offer).to_be_visible() if is_shown else expect(offer).to_be_hidden()
        page.unroute("**/api/v1/auth/registration")


def test_where_emails_are_proven_first_the_form_says_that_a_letter_came(open_page: OpenPage) -> None:
    chat = open_page()
    told = {"email": chat.email, "verification": "sent"}
    chat.page.route("**/api/v1/auth/register", lambda route: route.fulfill(status=202, json=told))
    chat.page.get_by_role("button", name="Create an account").click()
    chat.page.get_by_label("Email").fill(chat.email)
    chat.page.get_by_label("Password", exact=True).fill(PASSWORD)
    chat.page.get_by_role("button", name="Create account").click()
    expect(chat.page.locator("#auth-note")).to_have_text(
        f"A letter is on its way to {chat.email}. Open its link, then sign in."
    )
    heading(chat.page, "Welcome back")


def erased(chat: ChatPage, site: Site) -> str:
    """Ask for the erasure of the page's account; the token of its receipt."""
    tokens = chat.page.evaluate(
        """async ([email, password]) => {
          const ask = async (path, body, token) => (await fetch(`/api/v1${path}`, {
            method: "POST", body: JSON.stringify(body),
            headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
          })).json();
          const { access_token: token } = await ask("/auth/login", { email, password });
          return ask("/me/erasure", { current_password: password }, token);
        }""",
        [chat.email, PASSWORD],
    )
    receipt: str = tokens["receipt"]
    return receipt


def test_the_receipt_of_an_erasure_is_shown_to_whoever_has_its_link(
    chat: ChatPage, open_page: OpenPage, site: Site
) -> None:
    erased(chat, site)
    link = path_of(site, site.mail.letter_to(chat.email, "was erased").link)
    page = open_page(path=link).page
    page.get_by_role("button", name="Show the receipt").click()
    heading(page, "Your account was erased")
    heading(page, "Deleted")
    expect(page.locator(".receipt li", has_text="Your account: email, name, password")).to_have_text(re.compile("1$"))
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download the receipt").click()
    assert json.loads(saved.value.path().read_text())["signature"]["algorithm"] == "HMAC-SHA256"
    assert chat.email not in page.content()
    # Its address can be kept.
    page.reload()
    page.get_by_role("button", name="Show the receipt").click()
    heading(page, "Your account was erased")


@pytest.mark.parametrize(("state", "said"), [("waiting", "The erasure waits"), ("running", "The erasure is at work")])
def test_one_looks_again_for_a_receipt_that_is_not_written_yet(open_page: OpenPage, state: str, said: str) -> None:
    page = open_page(path="/account/erased#" + "x" * 43).page
    told: dict[str, object] = {"state": state, "due_at": "2030-01-01T12:00:00Z", "finished_at": None}
    page.route("**/api/v1/erasures/*", partial(_answer, told))
    for _ in range(2):
        page.get_by_role("button", name="Show the receipt").click()
        heading(page, said)
        page.reload()


@pytest.mark.parametrize(
    ("path", "button", "said"),
    [
        ("erasure-cancel#" + "x" * 43, "Keep my account", "This link is not valid any more"),
        ("erased#" + "x" * 43, "Show the receipt", "There is no such receipt"),
    ],
)
def test_a_link_of_an_erasure_that_is_none_is_said_to_be(
    open_page: OpenPage, path: str, button: str, said: str
) -> None:
    page = open_page(path=f"/account/{path}").page
    page.get_by_role("button", name=button).click()
    heading(page, said)


def test_a_password_that_was_given_is_exchanged_for_an_own_one(open_page: OpenPage, site: Site) -> None:
    email = f"{secrets.token_hex(4)}@example.org"
    printed = site.manage("create_staff", "--email", email)
    given = printed.partition("Password:")[2].split()[0]
    other = open_page()
    page = other.page
    other.sign_in(given, email)
    page.get_by_role("link", name="Set your own password").click()
    page.get_by_label("Email").fill(email)
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_role("button", name="Set the password").click()
    expect(page.locator("#given_password-fault")).to_have_text("Enter the password that you were given.")
    page.get_by_label("The password that you were given").fill(given)
    page.keyboard.press("Enter")
    heading(page, "Your own password is set")
    expect(page.get_by_text(f"You are signed in here as {email}.")).to_be_visible()
    page.get_by_role("link", name="Go to the chat").click()
    expect(other.box).to_be_visible()
