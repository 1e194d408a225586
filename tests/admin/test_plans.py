"""How MongoDB answers the staff lists: by indexes, whatever the list shows and whoever is looked for."""

from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from accounts.models import ApiKey, Session, User
from chat.models import Conversation, Import, Message, Run
from tests.commands import plans_of, recorded_commands

# Each list with its sortable column and that column's number.
LISTS = {
    "accounts_user": (User, "created_at", 5),
    "accounts_session": (Session, "created_at", 6),
    "accounts_apikey": (ApiKey, "created_at", 8),
    "chat_conversation": (Conversation, "updated_at", 6),
    "chat_message": (Message, "created_at", 5),
    "chat_run": (Run, "created_at", 7),
    "chat_import": (Import, "created_at", 7),
}
OURS = {"users", "sessions", "api_keys", "conversations", "messages", "runs", "imports"}


@pytest.fixture
def many(root):
    call_command("seed_demo", users=60, conversations=120, messages=600)
    keys = [
        ApiKey(user=user, name="Editor", hash=f"{user.pk}{number}") for user in User.objects.all() for number in (1, 2)
    ]
    ApiKey.objects.bulk_create(keys)
    at = datetime(2026, 5, 1, tzinfo=UTC)
    times = {"lease_expires_at": at, "created_at": at, "expires_at": datetime(2126, 1, 1, tzinfo=UTC)}
    users = User.objects.all()
    Import.objects.bulk_create(
        Import(user=user, size=1, status="complete", **times) for user in users for _ in range(2)
    )


def plans_for(client, name, **query):
    """The plans of all look-ups in the project's own collections that the list makes, but the one of who asks."""
    with recorded_commands() as commands:
        response = client.get(reverse(f"admin:{name}_changelist", query=query))
    assert response.status_code == 200
    plans = [plan for command in commands for plan in plans_of(command, connection.database)]
    return [plan for plan in plans if plan.command.collection in OURS], response


def said(plans):
    return [(plan.command.collection, sorted(plan.stages), plan.command.body.get("pipeline")) for plan in plans]


@pytest.mark.parametrize("direction", ["", "-"])
@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_reads_its_page_and_no_more(root, many, name, page, direction):
    model, field, column = LISTS[name]

    plans, response = plans_for(root, name, p=page, o=f"{direction}{column}")

    shown = [(getattr(row, field), row.pk) for row in response.context["cl"].result_list]
    assert len(shown) == min(50, model.objects.count() - 50 * (page - 1))
    assert shown == sorted(shown, reverse=direction == "-")
    assert said(plan for plan in plans if plan.scans or plan.sorts_in_memory or plan.looked_up_by_scanning) == []
    of_list = [plan for plan in plans if plan.command.collection == model._meta.db_table and "IXSCAN" in plan.stages]
    assert of_list
    assert all(plan.examined <= 50 * page for plan in of_list)


@pytest.mark.parametrize("name", LISTS)
def test_the_order_that_a_list_has_by_itself_is_an_index(root, many, name):
    plans, _ = plans_for(root, name)

    assert said(plan for plan in plans if plan.scans or plan.sorts_in_memory) == []


@pytest.mark.parametrize("name", ["accounts_session", "chat_conversation", "chat_message", "chat_run", "chat_import"])
def test_looking_for_a_person_or_an_id_scans_nothing(root, many, name):
    model, _, _ = LISTS[name]
    one = model.objects.first()

    for term, is_email in ((str(one.user.pk), False), (str(one.pk), False), (one.user.email, True)):
        plans, response = plans_for(root, name, q=term)
        assert response.context["cl"].result_count >= 1
        # Part of an email may stand anywhere in it: the users are read, what is theirs is looked up.
        assert (
            said(plan for plan in plans if plan.scans and not (is_email and plan.command.collection == "users")) == []
        )


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("accounts_user", {"is_staff__exact": "0"}),
        ("accounts_user", {"is_active__exact": "1"}),
        ("chat_conversation", {"archived__exact": "0"}),
        ("chat_message", {"role__exact": "user"}),
        ("chat_run", {"status__exact": "complete"}),
        ("chat_import", {"status__exact": "complete"}),
        ("chat_run", {"created_at__gte": datetime(2020, 1, 1, tzinfo=UTC)}),
    ],
)
def test_a_filtered_page_comes_in_order_from_an_index(root, many, name, query):
    plans, _ = plans_for(root, name, **query)

    assert said(plan for plan in plans if plan.sorts_in_memory) == []
    pages = [plan for plan in plans if {"$limit": 50} in plan.command.body.get("pipeline", [])]
    assert pages
    assert said(plan for plan in pages if plan.scans) == []


def test_a_transcript_is_read_by_its_index(root, many):
    conversation = Conversation.objects.order_by("-message_count").first()

    with recorded_commands() as commands:
        root.get(reverse("admin:chat_conversation_change", args=[conversation.pk]))
    plans = [plan for command in commands for plan in plans_of(command, connection.database)]
    of_messages = [plan for plan in plans if plan.command.collection == "messages"]

    assert len(of_messages) == 2
    assert said(plan for plan in of_messages if plan.scans or plan.sorts_in_memory) == []


def test_the_first_page_reads_only_today(root, many):
    with recorded_commands() as commands:
        root.get(reverse("admin:index"))
    plans = [plan for command in commands for plan in plans_of(command, connection.database)]

    (today,) = [plan for plan in plans if plan.command.collection == "runs" and plan.command.name == "aggregate"]
    assert not today.scans


@pytest.mark.parametrize("order", ["1", "-2", "1.-3", "0", "99", "9" * 400, "x", "-", "²", "2.x"])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_sorted_by_what_has_an_index_and_by_nothing_else(root, talk, name, order):
    assert ordered(root, name, o=order) == ordered(root, name)


@pytest.mark.parametrize("name", LISTS)
def test_of_several_columns_the_first_that_may_be_is_sorted_by(root, talk, name):
    _, field, column = LISTS[name]
    assert ordered(root, name, o=f"1.{column}.2")[0] == field
    assert ordered(root, name, o=f"-{column}.{column}")[0] == f"-{field}"


def ordered(client, name, **query):
    """What the list is sorted by."""
    return client.get(reverse(f"admin:{name}_changelist", query=query)).context["cl"].queryset.query.order_by
