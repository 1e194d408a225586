"""TTL and text indexes: written into migrations, made on the server, taken away again."""

from collections.abc import Iterator

import pytest
from bson import ObjectId
from django.db import connection, migrations, models
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter
from django_mongodb_backend.fields import ObjectIdAutoField, ObjectIdField

from eloquent.mongodb.indexes import TextIndex, TTLIndex
from tests.commands import plans_of, recorded_commands

pytestmark = pytest.mark.django_db

TTL = TTLIndex(fields=["at"], expire_after_seconds=3600, name="notes_expired")
TEXT = TextIndex(fields=["owner_id", "title", "words"], searched=["title", "words"], name="notes_search")


@pytest.fixture
def notes() -> Iterator[ProjectState]:
    """The state of a project with a `notes` collection, which exists on the server."""
    before, after = ProjectState(), ProjectState()
    create = migrations.CreateModel(
        "Note",
        [
            ("id", ObjectIdAutoField(primary_key=True)),
            ("at", models.DateTimeField(null=True)),
            ("owner_id", ObjectIdField()),
            ("title", models.TextField()),
            ("words", models.TextField()),
        ],
        {"db_table": "notes"},
    )
    create.state_forwards("chat", after)
    with connection.schema_editor() as editor:
        create.database_forwards("chat", editor, before, after)
    yield after
    connection.database["notes"].drop()


def apply(index: models.Index, state: ProjectState) -> migrations.AddIndex:
    operation = migrations.AddIndex("note", index)
    after = state.clone()
    operation.state_forwards("chat", after)
    with connection.schema_editor() as editor:
        operation.database_forwards("chat", editor, state, after)
    return operation


def indexes() -> dict:
    return connection.database["notes"].index_information()


def test_a_ttl_index_is_made_with_its_seconds_and_taken_away_again(notes) -> None:
    operation = apply(TTL, notes)
    assert indexes()["notes_expired"]["expireAfterSeconds"] == 3600
    assert indexes()["notes_expired"]["key"] == [("at", 1)]

    after = notes.clone()
    operation.state_forwards("chat", after)
    with connection.schema_editor() as editor:
        operation.database_backwards("chat", editor, after, notes)

    assert set(indexes()) == {"_id_"}


@pytest.mark.parametrize("index", [TTL, TEXT], ids=["ttl", "text"])
def test_a_migration_says_all_of_the_index(index) -> None:
    written, _ = MigrationWriter.serialize(index)
    rebuilt = eval(written, {"eloquent": __import__("eloquent.mongodb.indexes")})

    assert rebuilt == index
    assert rebuilt.deconstruct() == index.deconstruct()


def test_another_number_of_seconds_is_a_change_that_makemigrations_sees() -> None:
    assert TTLIndex(fields=["at"], expire_after_seconds=60, name="notes_expired") != TTL


@pytest.mark.parametrize(
    "make",
    [
        lambda: TTLIndex(fields=["at", "owner_id"], name="two_fields"),
        lambda: TTLIndex(fields=["at"], condition=models.Q(owner_id=1), name="condition"),
        lambda: TextIndex(fields=["words"], name="nothing_searched"),
        lambda: TextIndex(fields=["owner_id"], searched=["words"], name="not_a_field"),
        lambda: TextIndex(fields=["words"], searched=["words"], condition=models.Q(owner_id=1), name="condition"),
    ],
)
def test_an_index_that_cannot_be_is_refused_where_it_is_written(make) -> None:
    with pytest.raises(ValueError, match="Index"):
        make()


def test_a_text_search_reads_only_its_owners_part(notes) -> None:
    apply(TEXT, notes)
    mine, theirs = ObjectId(), ObjectId()
    collection = connection.database["notes"]
    collection.insert_many(
        [
            {"owner_id": mine, "title": "The sea", "words": "salt and wind"},
            {"owner_id": mine, "title": "Bread", "words": "flour, water, salt"},
            {"owner_id": theirs, "title": "Salt", "words": "of the earth"},
        ]
    )

    with recorded_commands() as commands:
        found = list(collection.find({"owner_id": mine, "$text": {"$search": "salt -flour"}}))
    (plan,) = plans_of(commands[0], connection.database)

    assert [note["title"] for note in found] == ["The sea"]
    assert plan.indexes == {"notes_search"}


def test_a_document_that_names_a_language_is_indexed_as_it_is(notes) -> None:
    apply(TEXT, notes)
    collection = connection.database["notes"]

    collection.insert_one({"owner_id": ObjectId(), "title": "", "words": "the", "language": "klingon"})

    assert collection.count_documents({"owner_id": {"$exists": True}}) == 1


def test_expired_sessions_and_tickets_have_ttl_indexes_after_migrate() -> None:
    for name in ("sessions", "socket_tickets"):
        ttl = [index for index in connection.database[name].list_indexes() if "expireAfterSeconds" in index]
        assert [(list(index["key"]), index["expireAfterSeconds"]) for index in ttl] == [(["expires_at"], 0)]
