"""The system's Chromium: where it is, how it is started, and what to do when there is none.

`python -m tests.e2e.chromium` sees to it that it is there, before a test run that needs it.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Playwright

from tests import debian

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The suggestions below the address bar are a page of their own, which each new profile would load for half a second of
# CPU, and which nobody sees. Then what Playwright turns off: of two such lists Chromium takes the last.
WITHOUT = (
    "WebUIOmniboxPopup",
    "WebUIOmniboxFullPopup",
    "WebUIOmniboxAimPopup",
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "TcpPortRandomizationWin",
    "ThirdPartyStoragePartitioning",
)
# Quiet and offline: it draws pages, and asks nobody for anything.
FLAGS = [
    f"--disable-features={','.join(WITHOUT)}",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = (
    "The browser tests need Chromium, and none of "
    + ", ".join(NAMES)
    + " is on the PATH. On Debian and Ubuntu: apt-get install -y chromium"
)


class ChromiumMissing(Exception):
    """No Chromium on the PATH; the message says what to install."""


def chromium_path() -> Path:
    """The program.

    Raises:
        ChromiumMissing: there is none.
    """
    for name in NAMES:
        if found := debian.program(name):
            return found
    raise ChromiumMissing(MISSING)


def launched(playwright: Playwright) -> Browser:
    """A headless Chromium, to be closed by the caller."""
    return playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)


def installed() -> Path:
    """The program; where there is none and we may, Debian's package is installed first.

    Raises:
        ChromiumMissing: there is none, and we may not or cannot install it.
    """
    if not any(map(debian.program, NAMES)):
        debian.install({"chromium": "chromium"}, recommended=True)  # fonts among it
    return chromium_path()


if __name__ == "__main__":
    try:
        print(f"Browser: {installed()}")
    except ChromiumMissing as missing:
        sys.exit(str(missing))
