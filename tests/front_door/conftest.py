"""Both handlers over the same views, and the lines that requests leave."""

import logging
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.test import override_settings

from eloquent.foundation.logs import request_id_of
from tests.front_door import views

HANDLERS = ("django", "ours")


@pytest.fixture
def happened() -> Iterator["SimpleQueue[str]"]:
    while not views.happened.empty():
        views.happened.get()
    return views.happened


@pytest.fixture
def bare_urls() -> Iterator[None]:
    """The test's own URLs, and no middleware on either road."""
    with override_settings(ROOT_URLCONF="tests.front_door.views", MIDDLEWARE=[], REQUEST_ROAD_MIDDLEWARE=[]):
        yield


@pytest.fixture
def ours(bare_urls: None) -> Any:
    from eloquent.handlers import AsyncHandler

    return AsyncHandler()


@pytest.fixture
def djangos(bare_urls: None) -> Any:
    return ASGIHandler()


@pytest.fixture(params=HANDLERS)
def handler(request: pytest.FixtureRequest, ours: Any, djangos: Any) -> Any:
    """A test that asks for it holds for both."""
    return ours if request.param == "ours" else djangos


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[dict[str, Any]]]:
    """The fields of each access line so far, in a list that grows."""
    found: list[dict[str, Any]] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append({**record.fields, "request_id": request_id_of()})  # type: ignore[attr-defined]

    caplog.set_level(logging.INFO, logger="eloquent.access")
    keeper = Keeper()
    logging.getLogger("eloquent.access").addHandler(keeper)
    yield found
    logging.getLogger("eloquent.access").removeHandler(keeper)
