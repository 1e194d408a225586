"""The account page: each section does what it says, asks the owner first, and says what went wrong where it did."""

import json
import re
import time
import zipfile

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.own_account import AccountPage, account_of, new_account
from tests.e2e.pages import PASSWORD, ChatPage
from tests.e2e.site import Site
from tests.e2e.test_account import path_of
from tests.e2e.test_second_factor import add_app, code_of

NEW = "violet harbour thursday kettle"
TOUCH = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
PARTS = ("Profile", "Signing in", "Devices", "API keys", "Activity", "Your data")
# What a finger is to find, and is smaller than a finger.
TOO_SMALL = """
() => [...document.querySelectorAll("#account-view :is(a, button, input, select, label.choice)")]
  .filter((each) => each.checkVisibility() && !each.matches(".part-lead a, .choice input, .sr-only, .skip"))
  .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 44 || height < 44).map(([name]) => name)
"""


@pytest.fixture
def account(open_page: OpenPage) -> AccountPage:
    """A new user's account page."""
    return new_account(open_page)


class Elsewhere:
    """Another device of the user, without a page."""

    def __init__(self, account: AccountPage, user_agent: str) -> None:
        self.request, self.url = account.page.request, f"{account.chat.site.url}/api/v1"
        body = {"email": account.chat.email, "password": PASSWORD}
        self.headers = {"User-Agent": user_agent, "Authorization": ""}
        grant = self.request.post(f"{self.url}/auth/login", data=body, headers={"User-Agent": user_agent})
        self.headers["Authorization"] = f"Bearer {grant.json()['access_token']}"

    def is_signed_in(self) -> bool:
        """Asked of the server."""
        return self.request.get(f"{self.url}/me", headers=self.headers).ok


def toast(page: Page, words: str) -> None:
    expect(page.locator(".toast").last).to_contain_text(words)


def test_the_page_is_reached_from_the_chat_and_leads_back_to_the_conversation(chat: ChatPage) -> None:
    chat.site.script("Noted.")
    chat.ask("Remember the sea.")
    chat.expect_answer("complete")
    address = chat.page.url
    account_of(chat)
    chat.page.get_by_role("link", name="Back to the chat").click()
    chat.expect_said("Noted.")
    assert chat.page.url == address


def test_a_name_is_saved_once_and_what_is_typed_outlives_a_lost_session(account: AccountPage) -> None:
    page = account.page
    sent: list[str | None] = []
    page.on("request", lambda request: sent.extend([request.post_data] if request.method == "PATCH" else []))
    field = page.get_by_label("What you are called")
    expect(field).to_have_value("Ada Lovelace")
    field.fill("Ada King")
    page.get_by_role("button", name="Save").dblclick()
    toast(page, "Your name is saved.")
    assert sent == ['{"name":"Ada King"}']
    # Another field is being filled in when the session ends.
    page.get_by_label("New email").fill("countess@example.org")
    page.context.clear_cookies()
    page.route("**/api/v1/me", _refuse_token, times=1)
    field.fill("Ada, Countess")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("You were signed out. Sign in to go on.")).to_be_visible()
    account.chat.sign_in()
    expect(field).to_be_visible()
    expect(field).to_have_value("Ada, Countess")
    expect(page.get_by_label("New email")).to_have_value("countess@example.org")
    page.reload()
    expect(field).to_have_value("Ada King")


def _refuse_token(route: Route) -> None:
    route.fulfill(status=401, json={"status": 401, "code": "not_signed_in", "detail": "Sign in."})


def test_a_new_email_waits_for_letters_and_can_be_taken_back(account: AccountPage, site: Site) -> None:
    page, new = account.page, f"new{time.time_ns()}@example.org"
    expect(page.locator("#email-state")).to_have_text("Not confirmed")
    page.get_by_role("button", name="Change the email").click()
    expect(page.get_by_text("Enter the new email address.")).to_be_visible()
    page.get_by_label("New email").fill(new)
    page.keyboard.press("Enter")
    account.confirm("Send the letters", password="not the password")
    expect(account.proof.get_by_text("The current password is wrong.")).to_be_visible()
    expect(account.proof.get_by_label("Password", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(account.proof).to_be_hidden()
    expect(page.get_by_label("New email")).to_have_value(new)
    page.get_by_label("New email").press("Enter")
    account.confirm("Send the letters")
    expect(page.locator("#email-pending")).to_contain_text(
        f"It changes to {new} when the link in the letter to the new"
    )
    assert site.mail.letter_to(new, "new email")
    page.get_by_role("button", name="Cancel the change").click()
    expect(page.locator("#email-pending")).to_be_hidden()
    page.reload()
    expect(page.locator("#email-now")).to_be_visible()
    expect(page.locator("#email-pending")).to_be_hidden()


def test_a_password_is_changed_by_the_rules_and_signs_out_the_others(account: AccountPage) -> None:
    other = Elsewhere(account, "curl/8")
    page = account.page
    account.open("Signing in")
    page.get_by_label("Current password").fill("not the password")
    page.get_by_label("New password").fill("Password2024!")
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator("#new-password-fault")).to_contain_text("too common")
    expect(page.get_by_label("New password")).to_be_focused()
    page.get_by_label("New password").fill(NEW)
    expect(page.locator("#new-password-fault")).to_be_empty()
    page.keyboard.press("Enter")
    expect(page.locator("#current-password-fault")).to_have_text("The current password is wrong.")
    page.get_by_label("Current password").fill(PASSWORD)
    page.keyboard.press("Enter")
    toast(page, "Your password is changed.")
    expect(page.get_by_label("New password")).to_have_value("")
    assert not other.is_signed_in()
    page.reload()
    account.part("Signing in")


def test_devices_are_signed_out_one_by_one_or_together(account: AccountPage) -> None:
    phone, program = (Elsewhere(account, agent) for agent in ("Mozilla/5.0 (iPhone) Safari/600", "curl/8"))
    page = account.page
    devices = account.open("Devices")
    rows = devices.locator(".row")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="This device")).to_have_count(1)
    expect(rows.filter(has_text="Safari on iPhone")).to_contain_text("signed in with the password")
    page.route("**/api/v1/auth/sessions/*", lambda route: route.abort("connectionrefused"), times=1)
    page.get_by_role("button", name="Sign out: Safari on iPhone").click()
    expect(devices.get_by_role("alert").get_by_text("cannot be reached")).to_be_visible()
    page.get_by_role("button", name="Sign out: Safari on iPhone").click()
    expect(rows).to_have_count(2)
    assert (phone.is_signed_in(), program.is_signed_in()) == (False, True)
    page.get_by_role("button", name="Sign out all others").click()
    expect(rows).to_have_count(1)
    assert not program.is_signed_in()
    page.get_by_role("button", name="Sign out everywhere").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert page.url == f"{account.chat.site.url}/"


def test_an_authenticator_app_from_its_picture_to_its_removal(account: AccountPage) -> None:
    page = account.page
    account.open("Signing in")
    app = account.sheet("Authenticator app")
    app.get_by_role("button", name="Set up an app").click()
    account.confirm("Go on")
    expect(page.get_by_alt_text("QR code")).to_be_visible()
    assert page.get_by_alt_text("QR code").evaluate("(picture) => picture.naturalWidth") > 100
    expect(app.get_by_label("The code that the app shows")).to_be_focused()
    secret = (app.locator("#totp-secret").text_content() or "").replace(" ", "")
    app.get_by_label("The code that the app shows").fill("12")
    app.get_by_role("button", name="Turn it on").click()
    expect(app.locator("#totp-code-fault")).to_contain_text("This code is wrong")
    app.get_by_label("The code that the app shows").fill(code_of(secret))
    page.keyboard.press("Enter")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download").click()
    page.keyboard.press("Escape")  # does not close what is shown once
    codes = account.keep_what_is_shown_once()
    assert len(codes) == 10
    assert saved.value.path().read_text().split() == codes
    expect(app.locator("#totp-state")).to_have_text("On")
    expect(page.locator("#recovery-left")).to_have_text("10 left")
    # From now on the dialog asks for a code as well; a recovery code does in its place.
    app.get_by_role("button", name="Remove the app").click()
    account.confirm("Remove the app", code="000")
    expect(account.proof.locator("#proof-code-fault")).to_contain_text("This code is wrong")
    account.proof.get_by_role("button", name="Use a recovery code").click()
    account.proof.get_by_label("Recovery code").fill(codes[0])
    page.keyboard.press("Enter")
    toast(page, "The authenticator app is removed.")
    expect(app.locator("#totp-state")).to_have_text("Off")
    expect(page.locator("#recovery")).to_be_hidden()


def test_a_passkey_is_made_renamed_and_removed(keyed_page: Page, site: Site) -> None:
    page = keyed_page
    page.goto(f"{page.url}account")
    account = AccountPage(ChatPage(page, site))
    account.chat.create_account()
    account.open("Signing in")
    keys = account.sheet("Passkeys")
    expect(keys).to_contain_text("There is no passkey yet.")
    keys.get_by_label("Name of the new passkey").fill("My laptop")
    keys.get_by_role("button", name="Add a passkey").click()
    account.confirm("Go on")
    assert len(account.keep_what_is_shown_once()) == 10
    expect(keys.locator(".row")).to_contain_text("My laptop")
    # The browser has one already, and says so.
    keys.get_by_label("Name of the new passkey").fill("Again")
    keys.get_by_role("button", name="Add a passkey").click()
    account.confirm("Go on")
    expect(keys.get_by_text("This device has a passkey for your account already.")).to_be_visible()
    keys.get_by_role("button", name="Rename: My laptop").click()
    keys.get_by_label("Name of the passkey").fill("Old laptop")
    page.keyboard.press("Enter")
    expect(keys.get_by_role("button", name="Rename: Old laptop")).to_be_focused()
    keys.get_by_role("button", name="Remove: Old laptop").click()
    account.confirm("Remove the passkey")
    expect(keys).to_contain_text("There is no passkey yet.")
    expect(page.locator("#recovery")).to_be_hidden()


def test_a_sign_in_elsewhere_is_linked_and_unlinked(visit: ChatPage, site: Site) -> None:
    site.provider.person |= {"sub": f"linked-{visit.email}", "email": "elsewhere@example.net"}
    account, page = AccountPage(visit), visit.page
    page.goto(f"{site.url}/account")
    visit.create_account()
    account.open("Signing in")
    page.get_by_role("button", name="Link Example").click()
    account.confirm("Go to Example")
    toast(page, "Example (elsewhere@example.net) now opens your account.")
    assert page.url == f"{site.url}/account"
    account.part("Signing in")
    sheet = account.sheet("Linked sign-ins")
    expect(sheet.locator(".row")).to_contain_text("elsewhere@example.net")
    sheet.get_by_role("button", name="Unlink: Example").click()
    account.confirm("Unlink")
    expect(sheet).to_contain_text("None is linked yet.")


def test_an_account_without_a_password_is_asked_for_a_fresh_sign_in(visit: ChatPage, site: Site) -> None:
    site.provider.person |= {"sub": f"bare-{visit.email}", "email": visit.email}
    account, page = AccountPage(visit), visit.page
    page.goto(f"{site.url}/account#security")
    page.get_by_role("link", name="Continue with Example").click()
    account.part("Signing in")  # what the address asked for before anybody was signed in
    page.get_by_role("button", name="Send the letter").click()
    toast(page, f"A letter is on its way to {visit.email}.")
    assert site.mail.letter_to(visit.email, "Set a new password")
    account.open("API keys")
    page.get_by_role("textbox", name="Name", exact=True).fill("Editor")
    page.route("**/api/v1/me/api-keys", _too_old, times=1)
    page.get_by_role("button", name="Make the key").click()
    expect(account.proof.get_by_label("Password", exact=True)).to_be_hidden()
    account.proof.get_by_role("button", name="Make the key").click()
    account.proof.get_by_role("button", name="Sign in again").click()
    expect(page.get_by_text("Sign in again, then go on where you were.")).to_be_visible()


def _too_old(route: Route) -> None:
    if route.request.method != "POST":
        route.fallback()
        return
    said = "This needs a fresh sign-in. Sign in again, then come back within ten minutes."
    route.fulfill(status=403, json={"status": 403, "code": "sign_in_too_old", "detail": said})


def test_an_api_key_is_shown_once_opens_the_door_and_is_revoked(account: AccountPage, site: Site) -> None:
    page = account.page
    keys = account.open("API keys")
    page.get_by_role("textbox", name="Name", exact=True).fill("Editor")
    for scope in ("Answers", "The list of models"):
        page.get_by_label(scope).uncheck()
    page.get_by_role("button", name="Make the key").click()
    expect(keys.get_by_text("Choose at least one.")).to_be_visible()
    page.get_by_label("The list of models").check()
    page.get_by_role("button", name="Make the key").click()
    account.confirm("Make the key")
    (secret,) = account.keep_what_is_shown_once()
    assert secret not in page.content()
    row = keys.locator(".row")
    expect(row).to_contain_text("list of models")
    expect(row).to_contain_text("never used")
    headers = {"Authorization": f"Bearer {secret}"}
    assert page.request.get(f"{site.url}/v1/models", headers=headers).ok
    row.get_by_role("button", name="Revoke: Editor").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke the key").click()
    expect(keys).to_contain_text("There is no key yet.")
    assert page.request.get(f"{site.url}/v1/models", headers=headers).status == 401


def test_activity_tells_of_strangers_and_a_server_that_wants_a_pause_says_how_long(
    account: AccountPage, site: Site
) -> None:
    page = account.page
    body = {"email": account.chat.email, "password": "a stranger's guess"}
    assert page.request.post(f"{site.url}/api/v1/auth/login", data=body).status == 401
    said = {"status": 429, "code": "throttled", "detail": "Too many requests.", "retry_after_s": 12.5}
    page.route("**/api/v1/me/activity?*", lambda route: route.fulfill(status=429, json=said), times=1)
    page.get_by_role("link", name="Activity").click()
    expect(page.locator("#activity .part-fault")).to_contain_text("Too many requests. Try again in 13 seconds.")
    page.locator("#activity .part-fault").get_by_role("button", name="Try again").click()
    activity = account.part("Activity")
    expect(activity.locator(".row").first).to_contain_text("Somebody tried to sign in and was refused")
    expect(activity).to_contain_text("The account was made")
    expect(activity.locator(".part-fault")).to_be_hidden()


def test_the_letter_leads_to_the_export_and_all_of_it_is_in_the_file(
    account: AccountPage, open_page: OpenPage, site: Site
) -> None:
    page, email = account.page, account.chat.email
    data = account.open("Your data")
    expect(data).to_contain_text("There is no export yet.")
    page.get_by_role("button", name="Make an export").click()
    account.confirm("Make the export")
    expect(data.get_by_role("button", name="Download")).to_be_visible(timeout=20_000)
    letter = site.mail.letter_to(email, "can be downloaded")
    other = open_page(path=path_of(site, letter.link))
    other.sign_in(email=email)
    AccountPage(other).part("Your data")
    expect(other.page.get_by_role("heading", name="Exports")).to_be_focused()
    with other.page.expect_download() as saved:
        other.page.get_by_role("button", name="Download").click()
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert json.loads(archive.read("profile.json"))["email"] == email


def test_an_account_is_closed_and_says_how_it_is_opened_again(account: AccountPage) -> None:
    page = account.page
    account.open("Your data")
    page.get_by_role("button", name="Close the account").click()
    account.confirm("Close the account")
    expect(page.get_by_role("heading", name="Your account is closed")).to_be_focused()
    expect(page.locator("#goodbye-words")).to_contain_text("You open it again, whenever you like")
    page.get_by_role("link", name="Go to the sign-in").click()
    account.chat.sign_in()
    expect(page.locator("#auth-error")).to_be_visible()


def test_an_account_is_erased_after_it_was_said_what_that_means(account: AccountPage) -> None:
    page = account.page
    account.open("Your data")
    page.get_by_role("button", name="Erase the account").click()
    expect(account.proof).to_contain_text("cannot be taken back")
    account.confirm("Erase my account", password="not the password")
    expect(account.proof.get_by_text("The current password is wrong.")).to_be_visible()
    account.confirm("Erase my account")
    expect(page.get_by_role("heading", name="Your account is being erased")).to_be_visible()
    page.get_by_role("link", name="the receipt").click()
    page.get_by_role("button", name="Show the receipt").click()
    expect(page.get_by_role("heading", name=re.compile("erased|erasure"))).to_be_visible()


def test_a_finger_finds_everything_on_a_narrow_screen(open_page: OpenPage) -> None:
    account = new_account(open_page, **TOUCH)
    page = account.page
    add_app(account.chat)
    for part in (*PARTS[1:], PARTS[0]):
        account.open(part)
        expect(page.get_by_role("heading", name=part, exact=True)).to_be_focused()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(TOO_SMALL) == []
