"""The pages that the links in letters lead to, where no frontend has its own (FRONTEND_URL): `/account/<page>`.

Each is a form with little around it. A page does nothing by being opened: programs that look at the links in letters
before their readers do would use them up. So there is a button, and its script sends the token, which stands behind `#`
and reached no server until then.
"""

from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

PAGES: Final = {
    "verify-email": "Confirm your email address",
    "confirm-email": "Confirm the new email address",
    "reset-password": "Set a new password",
    "forgot-password": "Forgot your password?",
    "accept-invitation": "You are invited",
    "erasure-cancel": "Keep your account",
    "erased": "What was erased",
}
_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    # Writing HTML from a string throws, whoever tries: the page builds every node by hand.
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


@require_safe
def account(request: HttpRequest, page: str) -> HttpResponse:
    """One of the pages. It holds nothing of a user."""
    if page not in PAGES:
        raise Http404
    response = render(request, "accounts/account.html", {"page": page, "title": PAGES[page]})
    response["Content-Security-Policy"] = "; ".join(f"{name} {value}" for name, value in _POLICY.items())
    response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    response["Cache-Control"] = "no-cache"
    return response
