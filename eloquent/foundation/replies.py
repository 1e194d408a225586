"""Answers of the request road: values written as JSON by orjson, past the validation that the values do not need."""

from typing import Any, Final

import orjson
from django.http import HttpResponse

_OPTIONS: Final = orjson.OPT_UTC_Z


def json_reply(value: Any, *, status: int = 200) -> HttpResponse:
    """The value as a JSON response. Times must be aware and in UTC: they are written with `Z`."""
    return HttpResponse(orjson.dumps(value, option=_OPTIONS), content_type="application/json", status=status)


def empty_reply() -> HttpResponse:
    """204: done, and nothing to say."""
    return HttpResponse(status=204, content_type="application/json")
