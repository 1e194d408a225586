"""The pages that letters and refusals lead to, where no frontend has its own (FRONTEND_URL): `/account/<page>`.

Each is a form with little around it. A page does nothing by being opened: programs that look at the links in letters
before their readers do would use them up. So there is a button, and its script sends the token, which stands behind `#`
and reached no server until then.
"""

from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from eloquent.foundation import content_security

PAGES: Final = {
    "verify-email": "Confirm your email address",
    "confirm-email": "Confirm the new email address",
    "reset-password": "Set a new password",
    "forgot-password": "Forgot your password?",
    "own-password": "Set your own password",
    "accept-invitation": "You are invited",
    "erasure-cancel": "Keep your account",
    "erased": "What was erased",
}


@require_safe
def account(request: HttpRequest, page: str) -> HttpResponse:
    """One of the pages. It holds nothing of a user."""
    if page not in PAGES:
        raise Http404
    response = render(request, "accounts/account.html", {"page": page, "title": PAGES[page]})
    response[content_security.HEADER] = content_security.account_policy(content_security.nonce_of(request))
    response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    response["Cache-Control"] = "no-cache"
    return response
