"""`manage.py seed_demo`: what it adds is as the application itself would have written it."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Session, User
from chat.models import Conversation, Message, Run
from eloquent.management.commands import seed_demo

pytestmark = pytest.mark.django_db

ALL = (User, Session, Conversation, Message, Run)


def seed(**counts: int) -> str:
    out = StringIO()
    call_command("seed_demo", stdout=out, **counts)
    return out.getvalue()


def test_it_adds_what_was_asked_for_and_says_so():
    said = seed(users=5, conversations=12, messages=100)

    assert [model.objects.count() for model in ALL] == [5, 10, 12, 100, 50]
    assert re.search(r"Added 5 users, 10 sessions, 12 conversations, 100 messages, 50 runs in [\d.]+ s\.", said)


def test_run_again_it_adds_as_much_again():
    seed(users=3, conversations=4, messages=20)
    seed(users=3, conversations=4, messages=20)

    assert [model.objects.count() for model in ALL] == [6, 12, 8, 40, 20]


def test_more_than_one_write_is_made_for_many(monkeypatch):
    monkeypatch.setattr(seed_demo, "ROWS_A_WRITE", 7)

    seed(users=20, conversations=30, messages=101)

    assert [model.objects.count() for model in ALL] == [20, 40, 30, 100, 50]


@pytest.mark.parametrize("model", ALL)
def test_every_document_is_a_valid_row_with_all_of_its_fields(model):
    seed(users=3, conversations=9, messages=200)
    columns = {field.column for field in model._meta.concrete_fields}

    assert all(set(document) == columns for document in connection.database[model._meta.db_table].find())
    for row in model.objects.all():
        row.full_clean(exclude=["user", "conversation"], validate_unique=False, validate_constraints=False)


def test_every_conversation_is_one_branch_that_ends_at_its_leaf():
    seed(users=3, conversations=9, messages=200)

    for conversation in Conversation.objects.all():
        messages = list(conversation.messages.order_by("pk"))
        assert [message.parent_id for message in messages] == [None, *(message.pk for message in messages)][
            : len(messages)
        ]
        assert conversation.leaf_id == (messages[-1].pk if messages else None)
        assert conversation.message_count == len(messages)
        assert {message.user_id for message in messages} <= {conversation.user_id}
        assert conversation.runs.count() == len(messages) // 2


def test_real_people_get_no_made_up_conversations():
    real = User.objects.create(email="real@example.com")

    with pytest.raises(CommandError, match="Conversations need users"):
        seed(users=0, conversations=3, messages=6)
    seed(users=1, conversations=3, messages=6)

    assert not Conversation.objects.filter(user=real).exists()


def test_nobody_signs_in_as_a_made_up_user():
    seed(users=2, conversations=0, messages=0)

    assert not any(user.has_usable_password() for user in User.objects.all())


def test_messages_without_conversations_are_refused_before_anything_is_written():
    with pytest.raises(CommandError, match="need conversations"):
        seed(users=2, conversations=0, messages=10)

    assert not User.objects.exists()


def test_a_negative_number_is_refused():
    with pytest.raises(CommandError):
        call_command("seed_demo", "--users=-1")


def test_it_is_refused_where_real_people_are(monkeypatch):
    strict = seed_demo.get_config().model_copy(update={"eloquent_env": "prod"})
    monkeypatch.setattr(seed_demo, "get_config", lambda: strict)

    with pytest.raises(CommandError, match="production"):
        seed(users=1, conversations=0, messages=0)
    assert not User.objects.exists()
