"""The second step as a person takes it: codes on the page, real passkeys of Chromium's own virtual authenticator."""

import re
import secrets
import time
from typing import Any

import pytest
from playwright.sync_api import Error, Page, expect

from accounts.second_factor import totp
from tests.e2e.conftest import OpenPage
from tests.e2e.pages import PASSWORD, ChatPage
from tests.e2e.site import Site
from tests.e2e.test_staff import set_own_password

ADD_PASSKEY = """
async ([token, proof, name]) => {
  const { createPasskey } = await import("/static/accounts/passkeys.js");
  const post = async (path, body) => {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
    return (await fetch(`/api/v1/me/passkeys${path}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
  };
  const { options } = await post("/options", proof);
  return post("", { passkey: await createPasskey(options), name });
}
"""


def code_of(secret: str, fast: int = 0) -> str:
    return totp.code_of(secret, totp.step_at(time.time()) + fast)


def add_app(chat: ChatPage) -> tuple[str, list[str]]:
    """Set an app up by the API: its secret, and the recovery codes. The code of now is used up."""
    headers = {"Authorization": f"Bearer {chat.api_token()}"}
    url = f"{chat.site.url}/api/v1/me/second-factor/totp"
    secret = chat.page.request.post(url, data={"current_password": PASSWORD}, headers=headers).json()["secret"]
    confirmed = chat.page.request.post(f"{url}/confirm", data={"code": code_of(secret)}, headers=headers)
    assert confirmed.ok, confirmed.text()
    return secret, confirmed.json()["recovery_codes"]


def token_by(chat: ChatPage, recovery_code: str) -> str:
    """A token of a session beside the page's own, of somebody with a second factor."""
    url = f"{chat.site.url}/api/v1/auth"
    challenge = chat.page.request.post(f"{url}/login", data={"email": chat.email, "password": PASSWORD}).json()
    answer = {"challenge": challenge["challenge"], "recovery_code": recovery_code}
    token: str = chat.page.request.post(f"{url}/second-factor", data=answer).json()["access_token"]
    return token


def sign_out(chat: ChatPage) -> None:
    chat.page.get_by_role("button", name="Sign out").click()
    expect(chat.page.get_by_role("heading", name="Welcome back")).to_be_visible()


def test_the_page_asks_for_the_code_and_a_recovery_code_does_as_well(chat: ChatPage) -> None:
    secret, recovery_codes = add_app(chat)
    page = chat.page
    sign_out(chat)
    chat.sign_in()
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    expect(page.get_by_label("Code")).to_be_focused()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#factor-fault")).to_have_text("Enter the code.")
    near = {code_of(secret, fast) for fast in range(-3, 4)}
    page.get_by_label("Code").fill(next(code for code in ("000000", "111111", "222222") if code not in near))
    page.get_by_label("Code").press("Enter")
    expect(page.locator("#factor-fault")).to_contain_text("This code is wrong")
    expect(chat.box).to_be_hidden()
    page.get_by_label("Code").fill(code_of(secret, 1))
    page.get_by_role("button", name="Go on").click()
    expect(chat.box).to_be_visible()
    page.reload()
    expect(chat.box).to_be_visible()
    sign_out(chat)
    chat.sign_in()
    page.get_by_role("button", name="Use a recovery code").click()
    page.get_by_label("Recovery code").fill(recovery_codes[0].upper())
    page.get_by_role("button", name="Go on").click()
    expect(chat.box).to_be_visible()


def test_whoever_begins_again_or_comes_too_late_is_back_at_the_start(chat: ChatPage) -> None:
    secret, _ = add_app(chat)
    page = chat.page
    sign_out(chat)
    chat.sign_in()
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_label("Email")).to_be_focused()
    chat.sign_in()
    page.route("**/api/v1/auth/second-factor", _too_late)
    page.get_by_label("Code").fill("123456")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("This sign-in cannot go on. Begin again.")).to_be_visible()
    expect(page.get_by_label("Email")).to_be_focused()
    page.unroute("**/api/v1/auth/second-factor")
    chat.sign_in()
    page.get_by_label("Code").fill(code_of(secret, 1))
    page.get_by_role("button", name="Go on").click()
    expect(chat.box).to_be_visible()


def _too_late(route: Any) -> None:
    said = {"status": 401, "code": "challenge_refused", "detail": "This sign-in cannot go on. Begin again."}
    route.fulfill(status=401, json=said)


def test_a_passkey_is_the_second_step_and_signs_in_alone(keyed_page: Page, site: Site) -> None:
    chat = ChatPage(keyed_page, site)
    chat.register()
    proof = {"current_password": PASSWORD}
    made = keyed_page.evaluate(ADD_PASSKEY, [chat.api_token(), proof, "This device"])
    assert made["name"] == "This device"
    assert len(made["recovery_codes"]) == 10
    sign_out(chat)
    chat.sign_in()
    expect(keyed_page.get_by_role("button", name="Use a passkey")).to_be_focused()
    expect(keyed_page.get_by_label("Code")).to_be_hidden()
    keyed_page.get_by_role("button", name="Use a passkey").click()
    expect(chat.box).to_be_visible()
    sign_out(chat)
    keyed_page.get_by_role("button", name="Sign in with a passkey").click()
    expect(chat.box).to_be_visible()
    expect(keyed_page.locator("#user-email")).to_have_text(chat.email)
    # The device has one already: the browser says so, and the page says it in words.
    token = token_by(chat, made["recovery_codes"][0])
    with pytest.raises(Error, match="has a passkey for your account already"):
        keyed_page.evaluate(ADD_PASSKEY, [token, proof, "Again"])


def test_a_device_without_a_passkey_says_so_and_the_form_is_still_there(keyed_page: Page, site: Site) -> None:
    keyed_page.get_by_role("button", name="Sign in with a passkey").click()
    expect(keyed_page.locator("#auth-error")).to_contain_text("No passkey was used")
    expect(keyed_page.get_by_role("button", name="Sign in", exact=True)).to_be_enabled()


def test_where_there_can_be_no_passkeys_none_are_offered(open_page: OpenPage) -> None:
    page = open_page().page
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()


def test_staff_set_an_app_up_and_sign_in_with_it_and_with_a_passkey(keyed_page: Page, site: Site) -> None:
    page, email = keyed_page, f"{secrets.token_hex(4)}@example.org"
    printed = site.manage("create_staff", "--email", email)
    given = re.search(r"Password:\s+(\S+)", printed)
    assert given, printed
    url, password = page.url, given[1]

    def enter() -> None:
        page.goto(f"{url}admin/")
        page.get_by_label(re.compile("email", re.IGNORECASE)).fill(email)
        page.get_by_label(re.compile("password", re.IGNORECASE)).fill(password)
        page.get_by_role("button", name=re.compile("log in", re.IGNORECASE)).click()

    def leave() -> None:
        page.context.clear_cookies()

    inside = page.get_by_role("link", name="Conversations").first
    enter()
    password = set_own_password(page, password)
    page.goto(f"{url}admin/")
    expect(inside).to_be_visible()
    body = {"email": email, "password": password}
    token = page.request.post(f"{url}api/v1/auth/login", data=body).json()["access_token"]
    page.goto(f"{url}admin/second-factor/")
    expect(page.get_by_alt_text("QR code")).to_be_visible()
    secret = page.locator("#totp-secret").text_content() or ""
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_role("button", name="Set up").click()
    expect(page.locator(".second-factor-codes li")).to_have_count(10)
    recovery_code = page.locator(".second-factor-codes li").first.text_content() or ""
    page.get_by_role("link", name="I have kept them").click()
    expect(inside).to_be_visible()
    leave()
    enter()
    # Whether the browser heeds it is the browser's affair: a page that comes slowly it may leave alone.
    expect(page.get_by_label("Code")).to_have_attribute("autofocus", "")
    expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
    page.get_by_label("Code").fill(code_of(secret, 1))
    page.get_by_role("button", name="Go on").click()
    expect(inside).to_be_visible()
    page.goto(url)
    page.evaluate(ADD_PASSKEY, [token, {"current_password": password, "recovery_code": recovery_code}, "Key"])
    leave()
    enter()
    page.get_by_role("button", name="Use a passkey").click()
    expect(inside).to_be_visible()
