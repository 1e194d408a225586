"""The original engine beside ours, on the same database."""

from collections.abc import Iterator

import pytest
from django.db import connections
from django.db.models import QuerySet

from tests.commands import Plan, plans_of, recorded_commands

STOCK = "stock"
OURS = "default"


@pytest.fixture
def stock(db: None) -> Iterator[str]:
    """An alias for the test database whose engine is django-mongodb-backend as it comes."""
    connections.settings[STOCK] = {**connections.settings[OURS], "ENGINE": "django_mongodb_backend"}
    # Django's test case refuses connections of aliases it was not told of, but not those that are there already.
    connections[STOCK].connect()
    yield STOCK
    connections[STOCK].close_pool()
    del connections[STOCK]
    del connections.settings[STOCK]


def plan_of(queryset: QuerySet) -> Plan:
    """How the server answers this queryset's first query."""
    return plans_sent_by(lambda: list(queryset))[0]


def plans_sent_by(act) -> list[Plan]:
    """The plans of all look-ups that `act` makes."""
    with recorded_commands() as commands:
        act()
    database = connections[OURS].database
    return [plan for command in commands for plan in plans_of(command, database)]


@pytest.fixture(autouse=True)
def _server_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own server has a reaper and takes up jobs: it would find the lost ones that are written here."""

    async def nothing(*_: object) -> None:
        return

    monkeypatch.setattr("chat.reaper.Reaper._reap", nothing)
    monkeypatch.setattr("accounts.personal_data.erasing._claim", nothing)
    monkeypatch.setattr("accounts.personal_data.exporting._claim", nothing)
    monkeypatch.setattr("accounts.personal_data.exporting.sweep", nothing)
    monkeypatch.setattr("chat.retention.sweeping.sweep_if_due", nothing)
