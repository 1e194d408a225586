"""What our engine changes, each beside the original's behaviour that made it necessary.

A test of the original that fails here is good news: upstream has fixed it, and our change can go.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bson import ObjectId
from django.db import IntegrityError, connections, models
from django.test.utils import isolate_apps
from django_mongodb_backend.fields import ObjectIdField
from django_mongodb_backend.transaction import atomic
from pymongo.errors import PyMongoError

from accounts.models import Session, User
from chat.models import Conversation
from tests.database.conftest import OURS, STOCK, plan_of, plans_sent_by

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@contextmanager
def collection_of(model: type[models.Model], alias: str) -> Iterator[None]:
    """The model's collection and indexes, made by the engine of that alias, dropped afterwards."""
    editor = connections[alias].schema_editor()
    with editor:
        editor.create_model(model)
    try:
        yield
    finally:
        with editor:
            editor.delete_model(model)


@pytest.fixture
def gadget() -> Iterator[type[models.Model]]:
    with isolate_apps("chat"):

        class Gadget(models.Model):  # noqa: DJ008 -- it is never shown
            code = models.CharField(max_length=20, unique=True)
            serial = models.CharField(max_length=20, null=True, unique=True)  # noqa: DJ001 -- what the test is about
            owner_id = ObjectIdField(null=True, unique=True)
            made_at = models.DateTimeField(null=True, unique=True)
            number = models.IntegerField(null=True, unique=True)
            weight = models.FloatField(null=True, unique=True)
            shelf = models.CharField(max_length=20, default="a")
            place = models.IntegerField(default=0)
            active = models.BooleanField(default=True)

            class Meta:
                app_label = "chat"
                db_table = "gadgets"
                constraints = [
                    models.UniqueConstraint(
                        fields=["shelf", "place"], condition=models.Q(active=True), name="one_active_per_place"
                    )
                ]

        yield Gadget


LOOK_UPS = {
    "code": "a",
    "serial": "a",
    "owner_id": ObjectId(),
    "made_at": NOW,
    "number": -5,
    "weight": -0.5,
}


@pytest.mark.parametrize("field", LOOK_UPS)
def test_a_unique_field_is_looked_up_by_its_index(gadget, field) -> None:
    with collection_of(gadget, OURS):
        plan = plan_of(gadget.objects.filter(**{field: LOOK_UPS[field]}))

    assert not plan.scans
    assert "IXSCAN" in plan.stages


@pytest.mark.parametrize("field", LOOK_UPS)
def test_the_original_reads_the_whole_collection_for_a_unique_field(gadget, stock, field) -> None:
    with collection_of(gadget, STOCK):
        plan = plan_of(gadget.objects.using(STOCK).filter(**{field: LOOK_UPS[field]}))

    assert plan.scans


def test_a_conditional_unique_constraint_is_looked_up_by_its_index(gadget, stock) -> None:
    query = {"shelf": "a", "place": 1, "active": True}
    with collection_of(gadget, OURS):
        ours = plan_of(gadget.objects.filter(**query))
    with collection_of(gadget, STOCK):
        original = plan_of(gadget.objects.using(STOCK).filter(**query))

    assert ours.indexes == {"one_active_per_place"}
    assert original.scans


def test_unique_fields_refuse_doubles_and_take_any_number_of_nulls(gadget) -> None:
    with collection_of(gadget, OURS):
        gadget.objects.create(code="a", serial="s", number=0, place=1)
        gadget.objects.create(code="b", place=2)
        gadget.objects.create(code="c", place=3)
        for double in (
            {"code": "a"},
            {"code": "d", "serial": "s"},
            {"code": "d", "number": 0},
            {"code": "d", "place": 2},
        ):
            with pytest.raises(IntegrityError):
                gadget.objects.create(**{"place": 4, **double})
        gadget.objects.create(code="d", place=2, active=False)

        assert gadget.objects.count() == 4


def test_a_unique_field_that_becomes_nullable_then_takes_several_nulls_and_back(gadget) -> None:
    required = gadget._meta.get_field("code")
    nullable = models.CharField(max_length=20, unique=True, null=True)
    nullable.set_attributes_from_name("code")
    nullable.model = gadget
    with collection_of(gadget, OURS):
        collection = connections[OURS].database["gadgets"]
        with connections[OURS].schema_editor() as editor:
            editor.alter_field(gadget, required, nullable)
        collection.insert_many([{"code": None, "place": 1}, {"code": None, "place": 2}])
        assert not plan_of(gadget.objects.filter(code="a")).scans
        collection.delete_many({})
        with connections[OURS].schema_editor() as editor:
            editor.alter_field(gadget, nullable, required)

        assert ["code"] in [[key for key, _ in index["key"]] for index in collection.index_information().values()]
        assert not any("code" in index.get("partialFilterExpression", {}) for index in collection.list_indexes())


ORDERED = {
    "instances": lambda conversations: conversations.order_by("-updated_at", "-id"),
    "values": lambda conversations: conversations.order_by("-updated_at", "-id").values("id", "title", "updated_at"),
    "values_list": lambda conversations: conversations.order_by("-updated_at", "-id").values_list("updated_at", "id"),
    "a page": lambda conversations: conversations.order_by("-updated_at", "-id")[20:30],
    "reversed": lambda conversations: conversations.order_by("updated_at", "id"),
    "of one user": lambda conversations: conversations.filter(user=ObjectId(), archived=False).order_by(
        "-pinned", "-updated_at", "-id"
    ),
}


@pytest.mark.parametrize("how", ORDERED)
def test_order_by_is_answered_by_an_index(how) -> None:
    plan = plan_of(ORDERED[how](Conversation.objects.all()))

    assert not plan.scans
    assert not plan.sorts_in_memory


@pytest.mark.parametrize("how", ORDERED)
def test_the_original_sorts_in_memory(stock, how) -> None:
    assert plan_of(ORDERED[how](Conversation.objects.using(STOCK))).sorts_in_memory


def _prefetch(alias: str):
    return plans_sent_by(lambda: list(Session.objects.using(alias).prefetch_related("user")))


@pytest.fixture
def devices() -> None:
    for number in range(3):
        user = User.objects.create(email=f"{number}@example.com")
        Session.objects.create(user=user, refresh_hash="x", lineage_hash="x", expires_at=NOW + timedelta(days=3650))


def test_prefetching_a_foreign_key_looks_up_by_index(devices) -> None:
    _, users = _prefetch(OURS)

    assert users.command.collection == "users"
    assert not users.scans


def test_the_original_reads_the_whole_collection_to_prefetch_a_foreign_key(devices, stock) -> None:
    _, users = _prefetch(STOCK)

    assert users.command.collection == "users"
    assert users.scans


def test_prefetching_finds_what_a_query_for_each_finds(devices) -> None:
    prefetched = {session.pk: session.user for session in Session.objects.prefetch_related("user")}

    assert len(prefetched) == 3
    assert prefetched == {session.pk: session.user for session in Session.objects.all()}


def _fail_to_commit(alias: str) -> None:
    """A swallowed duplicate makes the server end the transaction, so that the commit finds none."""
    with pytest.raises(PyMongoError), atomic(using=alias):  # noqa: PT012 -- what is raised ends the transaction
        try:
            User.objects.using(alias).create(email="taken@example.com")
        except IntegrityError:
            pass


def test_after_a_failed_commit_transactions_work_again() -> None:
    User.objects.create(email="taken@example.com")
    _fail_to_commit(OURS)

    with pytest.raises(ZeroDivisionError), atomic():  # noqa: PT012 -- what is raised ends the transaction
        User.objects.create(email="undone@example.com")
        1 / 0  # noqa: B018
    with atomic():
        User.objects.create(email="done@example.com")

    assert set(User.objects.values_list("email", flat=True)) == {"taken@example.com", "done@example.com"}


def test_the_original_has_no_transactions_after_a_failed_commit(stock) -> None:
    User.objects.create(email="taken@example.com")
    _fail_to_commit(STOCK)

    with pytest.raises((ZeroDivisionError, PyMongoError)), atomic(using=STOCK):  # noqa: PT012 -- what is raised ends the transaction
        User.objects.using(STOCK).create(email="undone@example.com")
        1 / 0  # noqa: B018

    assert User.objects.filter(email="undone@example.com").exists()


def test_a_transaction_that_the_server_has_ended_rolls_back_quietly() -> None:
    User.objects.create(email="taken@example.com")

    with pytest.raises(IntegrityError), atomic():
        User.objects.create(email="taken@example.com")
    with pytest.raises(ZeroDivisionError), atomic():  # noqa: PT012 -- what is raised ends the transaction
        User.objects.create(email="undone@example.com")
        connections[OURS].session.abort_transaction()
        1 / 0  # noqa: B018

    assert User.objects.count() == 1


def test_a_collection_with_a_text_index_can_be_introspected(stock) -> None:
    collection = connections[OURS].database["texts"]
    collection.create_index([("owner_id", 1), ("words", "text")], name="search")

    found = connections[OURS].introspection.get_constraints(None, "texts")
    with pytest.raises(KeyError):
        connections[STOCK].introspection.get_constraints(None, "texts")
    collection.drop()

    assert found["search"]["columns"][0] == "owner_id"


def test_no_start_asks_the_system_for_libraries_of_maps():
    looked = subprocess.run(
        [sys.executable, "-c", _LOOKS_FOR_MAPS],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert looked.stdout.split() == ["looked", "[]", "found", "True"]


_LOOKS_FOR_MAPS = """
import ctypes.util, os
search, looked = ctypes.util.find_library, []
ctypes.util.find_library = lambda name: looked.append(name) or search(name)
os.environ["DJANGO_SETTINGS_MODULE"] = "eloquent.settings"
import django
django.setup()
from django.db import connection
print("looked", looked, "found", connection.vendor == "mongodb")
"""
