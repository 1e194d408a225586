"""The whole way with a provider that others wrote and the OpenID Foundation certified (npm: oidc-provider)."""

import re
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.async_api import async_playwright

from tests.accounts.openid.conftest import told_in
from tests.clients.openid.conftest import Named, Visitor, client, running_provider
from tests.e2e.chromium import FLAGS, ChromiumMissing, chromium_path

pytestmark = pytest.mark.clients


@pytest.mark.parametrize(
    ("algorithm", "method"),
    [
        ("RS256", "client_secret_basic"),
        ("PS256", "client_secret_post"),
        ("ES256", "none"),
        ("EdDSA", "client_secret_basic"),
    ],
)
async def test_signing_in(server: str, visitor: Visitor, named: Named, algorithm: str, method: str) -> None:
    us = client(server, "example", id_token_signed_response_alg=algorithm, token_endpoint_auth_method=method)
    if method == "none":
        del us["client_secret"]
    async with running_provider([us]) as issuer:
        named(issuer, **({"client_secret": None} if method == "none" else {}))
        assert told_in(await visitor.sign_in(next="/#/c/1")) == {}
        me: Any = await visitor.me()
        assert (me["email"], me["name"]) == ("ada@example.org", "ada of Node")
        # The second time nobody is asked anything there.
        assert told_in(await visitor.sign_in()) == {}
        again: Any = await visitor.me()
        assert again["id"] == me["id"]


async def test_saying_no_there_lets_nobody_in(server: str, visitor: Visitor, named: Named) -> None:
    async with running_provider([client(server, "example")]) as issuer:
        named(issuer)
        page = await visitor.http.get(await visitor.start())
        form = await visitor.http.get(urljoin(issuer, page.headers["location"]))
        abort = re.search(r'href="([^"]*/abort)"', form.text)
        assert abort is not None
        answer = await visitor.http.get(urljoin(str(form.url), abort[1]))
        answer = await visitor.http.get(urljoin(str(answer.url), answer.headers["location"]))
        assert told_in(await visitor.come_back(answer.headers["location"])) == {"openid_error": "openid_declined"}
        assert told_in(await visitor.sign_in()) == {}


async def test_a_secret_that_is_wrong_lets_nobody_in(server: str, visitor: Visitor, named: Named) -> None:
    async with running_provider([client(server, "example")]) as issuer:
        named(issuer, client_secret="another")
        assert told_in(await visitor.sign_in()) == {"openid_error": "openid_answer_refused"}
        named(issuer)
        assert told_in(await visitor.sign_in()) == {}


async def test_signing_out_there_signs_out_here(server: str, visitor: Visitor, named: Named) -> None:
    async with running_provider([client(server, "example")]) as issuer:
        named(issuer)
        await visitor.sign_in()
        assert await visitor.me() is not None
        page = await visitor.http.get(f"{issuer}/session/end", params={"client_id": "eloquent-example"})
        token = re.search(r'name="xsrf" value="([^"]+)"', page.text)
        assert token is not None, page.text
        done = await visitor.http.post(f"{issuer}/session/end/confirm", data={"xsrf": token[1], "logout": "yes"})
        assert done.is_redirect or done.status_code == 200, done.text
        assert await visitor.me() is None


async def test_in_a_browser(server: str, named: Named) -> None:
    try:
        program = chromium_path()
    except ChromiumMissing as missing:
        pytest.skip(str(missing))
    async with running_provider([client(server, "example")]) as issuer, async_playwright() as playwright:
        named(issuer)
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = await browser.new_page()
        await page.goto(server)
        await page.get_by_role("link", name="Continue with Example").click()
        await page.locator("input[name=login]").fill("grace")
        await page.locator("input[name=password]").fill("any")
        await page.get_by_role("button", name="Sign-in").click()
        await page.get_by_role("button", name="Continue").click()
        await page.locator("#user-email").wait_for()
        assert await page.locator("#user-email").text_content() == "grace@example.org"
        assert page.url.rstrip("/") == server
        await browser.close()
