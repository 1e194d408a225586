"""What a browser may do with each of our answers: Content-Security-Policy, one for each kind of page.

Scripts run only when their tag carries the nonce of this very response. Templates get it as `csp_nonce`; that of a page
that used none was never made, and nothing runs there. Three more rules hold for all pages: no plugin, no frame around
them, no `<base>`. Nothing allows `eval`, and nothing an attribute that holds a script.
"""

import secrets
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER: Final = "Content-Security-Policy"
_NONCE_BYTES: Final = 16
# Writing HTML from a string throws, whoever tries: these pages build every node by hand.
_NO_HTML_FROM_STRINGS: Final = {"require-trusted-types-for": "'script'", "trusted-types": "'none'"}


def _policy(rules: dict[str, str]) -> str:
    always = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in (always | rules).items())


DATA: Final = _policy({})
"""For what is no page: JSON, streams, files. Should a browser ever show it as one, it can do nothing."""

STILL: Final = _policy({"style-src": "'self'", "img-src": "'self'"})
"""For a page without scripts and forms: the error pages."""


def nonce_of(request: HttpRequest) -> str:
    """The nonce of the response to this request: made at the first call, the same at the next."""
    nonce: str | None = getattr(request, "csp_nonce", None)
    if nonce is None:
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        request.csp_nonce = nonce  # type: ignore[attr-defined]
    return nonce


def page_policy(request: HttpRequest, response: HttpResponseBase) -> str:
    """The policy of a response of the desk road whose view has set none."""
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return DATA
    nonce: str | None = getattr(request, "csp_nonce", None)
    return STILL if nonce is None else console_policy(nonce)


def console_policy(nonce: str) -> str:
    """The staff console's. Its `<style>` tags carry the nonce, too; what scripts set on an element needs no leave."""
    return _policy(
        {
            "script-src": f"'nonce-{nonce}'",
            "style-src": f"'self' 'nonce-{nonce}'",
            "img-src": "'self' data:",
            "font-src": "'self'",
            "connect-src": "'self'",
            "form-action": "'self'",
        }
    )


def chat_policy(nonce: str, host: str) -> str:
    """The chat page's.

    Args:
        nonce: of this response. The modules that a script imports have it from their script.
        host: the page's own host and port, as the browser sees it. Older Safari does not count a websocket of the same
            host as 'self', so both socket schemes are named.
    """
    return _policy(
        {
            "script-src": f"'nonce-{nonce}'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "connect-src": f"'self' ws://{host} wss://{host}",
            "form-action": "'self'",
            **_NO_HTML_FROM_STRINGS,
        }
    )


def account_policy(nonce: str) -> str:
    """That of the pages that links in letters lead to."""
    return _policy(
        {
            "script-src": f"'nonce-{nonce}'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "connect-src": "'self'",
            **_NO_HTML_FROM_STRINGS,
        }
    )


def docs_policy(nonce: str, *, api: str | None = None) -> str:
    """That of the page with the API's documentation, which tries the API out.

    Args:
        nonce: of this response.
        api: the origin at which browsers reach the API, where it is another than the page's own.
    """
    return _policy(
        {
            "script-src": f"'nonce-{nonce}'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "connect-src": f"'self' {api}" if api else "'self'",
        }
    )
