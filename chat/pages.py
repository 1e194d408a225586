"""The pages at `/` and `/account`: HTML shells, and the browser policy that makes what is written in them harmless."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from eloquent.foundation import content_security
from eloquent.foundation.config import get_config


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The chat page."""
    return _shell(request, "chat/index.html", largest_file_bytes=get_config().attachment_max_bytes)


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """The account page. Its script looks at the path: letters about exports lead to `/account/exports`."""
    config = get_config()
    response = _shell(request, "chat/account.html", grace_days=config.erasure_grace_days, mail=config.sends_mail)
    response["X-Robots-Tag"] = "noindex"
    return response


def _shell(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    """A page that holds nothing of a user: its scripts sign in and fetch through the API."""
    response = render(request, template, context)
    response[content_security.HEADER] = content_security.chat_policy(
        content_security.nonce_of(request), request.get_host()
    )
    # Asked for again after a deployment, so that the page and its scripts are of one version.
    response["Cache-Control"] = "no-cache"
    return response
