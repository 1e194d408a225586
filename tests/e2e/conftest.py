"""One chat and one Chromium for all browser tests; a fresh browser profile for each.

A page that breaks its own policy, throws, or talks to another host fails the test that opened it.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.chromium import ChromiumMissing, launched
from tests.e2e.pages import ChatPage, Watch
from tests.e2e.site import Site, running_site

# A toast is there for four seconds, which this process may stand still: for a test it stays.
TOASTS_STAY = """
(() => {
  const { setTimeout } = window;
  window.setTimeout = (work, ms, ...rest) => setTimeout(work, ms === 4000 ? 60_000 : ms, ...rest);
})();
"""

# What comes, comes: who waits in vain has failed, however busy the machine.
expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder drive the browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("browser")
    # Another of the run's Redis databases than the one that the other tests empty.
    redis_url = os.environ["REDIS_URL"].rpartition("/")[0] + "/7"
    with running_site(directory, mongodb_uri=os.environ["MONGODB_URI"], redis_url=redis_url) as site:
        yield site


@pytest.fixture
def site(_site: Site) -> Iterator[Site]:
    """The running chat, whose model says a word of greeting until a test has it say something else."""
    _site.forget_attempts()
    _site.script("Hello.")
    yield _site
    if not _site.web.is_running():
        _site.web.start()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Without Chromium these tests fail, with a sentence that says what to install."""
    with sync_playwright() as playwright:
        try:
            browser = launched(playwright)
        except ChromiumMissing as missing:
            pytest.fail(str(missing), pytrace=False)
        yield browser
        browser.close()


OpenPage = Callable[..., ChatPage]


@pytest.fixture
def open_page(site: Site, chromium: Browser) -> Iterator[OpenPage]:
    """Opens the chat in a new profile, or in the one of `beside` as a second tab. `options` are Playwright's.

    With `path=None` the page stays empty, for what must be there before the chat.
    """
    contexts: list[BrowserContext] = []
    watches: list[Watch] = []

    def opened(*, beside: Page | None = None, path: str | None = "/", **options: object) -> ChatPage:
        if beside is None:
            contexts.append(chromium.new_context(**options))  # type: ignore[arg-type]
            contexts[-1].add_init_script(TOASTS_STAY)
        context = contexts[-1] if beside is None else beside.context
        page = context.new_page()
        watches.append(Watch(page, site.url))
        if path is not None:
            page.goto(site.url + path)
        return ChatPage(page, site)

    yield opened
    for context in contexts:
        context.close()
    for watch in watches:
        print(*watch.replies, sep="\n")  # pytest shows it of a test that failed
        watch.verify()


@pytest.fixture
def chat(open_page: OpenPage) -> ChatPage:
    """A new user, signed in, before a new conversation with the scripted model."""
    chat = open_page(path=None)
    chat.enter_registered()
    return chat


@pytest.fixture
def keyed_page(site: Site, chromium: Browser) -> Iterator[Page]:
    """A page at `localhost`, a name that passkeys can be made for, with an authenticator that verifies its user."""
    context = chromium.new_context()
    context.add_init_script(TOASTS_STAY)
    page = context.new_page()
    url = site.url.replace("127.0.0.1", "localhost")
    watch = Watch(page, url)
    cdp = context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True}
    able = dict.fromkeys(("hasResidentKey", "hasUserVerification", "isUserVerified"), True)
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options | able})
    page.goto(url)
    yield page
    context.close()
    watch.verify()


@pytest.fixture
def visit(site: Site, chromium: Browser) -> Iterator[ChatPage]:
    """A new visitor, who may leave for the provider: no other test's page may leave at all."""
    site.provider.be_good()
    context = chromium.new_context()
    context.add_init_script(TOASTS_STAY)
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    faults: list[str] = []
    page.goto(site.url)
    yield ChatPage(page, site)
    context.close()
    site.provider.be_good()
    assert faults == []
