"""The chat page at `/`: one HTML shell, and the browser policy that makes whatever a model writes harmless."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from eloquent.foundation.config import get_config


def content_security_policy(host: str) -> str:
    """The page's Content-Security-Policy.

    Args:
        host: the page's own host and port, as the browser sees it. Older Safari does not count a websocket of
            the same host as 'self', so both socket schemes are named.
    """
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' ws://{host} wss://{host}",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        # Writing HTML from a string throws, whoever tries: the page builds every node by hand.
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The page itself. It holds nothing of a user: its scripts sign in and fetch through the API."""
    response = render(request, "chat/index.html", {"largest_file_bytes": get_config().attachment_max_bytes})
    response["Content-Security-Policy"] = content_security_policy(request.get_host())
    response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    # Asked for again after a deployment, so that the page and its scripts are of one version.
    response["Cache-Control"] = "no-cache"
    return response
