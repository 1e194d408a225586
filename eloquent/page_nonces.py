"""Nonces in the script and style tags of templates that are not ours.

The tags get theirs in a template's *source*, when it is loaded: `<script` becomes `<script nonce="{{ csp_nonce }}"`.
What somebody wrote comes into the page later, as a value, and can hold no tag that was seen here: a script that is
smuggled into a page has no nonce and does not run. To add nonces to the finished page instead would bless it.
"""

import re
from typing import Any, Final

from django.forms import Media
from django.http import HttpRequest
from django.template import Origin
from django.template.loaders.app_directories import Loader
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from eloquent.foundation.content_security import nonce_of

_TAG: Final = re.compile(r"<(script|style)(?![^<>]*\bnonce=)(?=[\s>])")
# A form's own scripts are tags that are made in Python, out of the names of static files.
_MEDIA: Final = re.compile(r"\{\{\s*((?:\w+\.)*media(?:\.js)?)\s*\}\}")


def with_nonces(source: str) -> str:
    """The source of a template, with nonces in its script and style tags and in those of forms' media."""
    source = _TAG.sub(r'<\1 nonce="{{ csp_nonce }}"', source)
    return _MEDIA.sub(r"{{ \1|with_nonce:csp_nonce }}", source)


class NonceLoader(Loader):
    """Loads the apps' templates, and gives their tags nonces."""

    def get_contents(self, origin: Origin) -> str:
        """The source, with nonces."""
        return with_nonces(super().get_contents(origin))


def csp_nonce(request: HttpRequest) -> dict[str, Any]:
    """The context's `csp_nonce`, which is made when a template asks for it."""
    return {"csp_nonce": SimpleLazyObject(lambda: nonce_of(request))}


def with_nonce(media: object, nonce: object) -> object:
    """A form's scripts and stylesheets as tags, the scripts with the nonce; what is no `Media` stays as it is."""
    if not isinstance(media, Media):
        return media
    scripts = [_nonced(str(tag), nonce) for tag in media.render_js()]
    return mark_safe("\n".join([*map(str, media.render_css()), *scripts]))  # noqa: S308 - tags that Media made  # nosec


def _nonced(tag: str, nonce: object) -> str:
    return tag.replace("<script", format_html('<script nonce="{}"', str(nonce)), 1)
