"""The chat page at `/`: one HTML shell, and the browser policy that makes whatever a model writes harmless."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from eloquent.foundation import content_security
from eloquent.foundation.config import get_config


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The page itself. It holds nothing of a user: its scripts sign in and fetch through the API."""
    response = render(request, "chat/index.html", {"largest_file_bytes": get_config().attachment_max_bytes})
    response[content_security.HEADER] = content_security.chat_policy(
        content_security.nonce_of(request), request.get_host()
    )
    # Asked for again after a deployment, so that the page and its scripts are of one version.
    response["Cache-Control"] = "no-cache"
    return response
