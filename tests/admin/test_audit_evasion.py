"""Ways round the record of what staff do: an id spelled otherwise, another verb, a filter instead of a search."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from tests.admin.conftest import Talk


def page(name: str, *args: Any, **query: Any) -> str:
    return reverse(f"admin:{name}", args=args, query=query)


def recorded() -> list[tuple[str, str]]:
    rows = AuditEntry.objects.exclude(action="staff.signed_in").order_by("number")
    return [(row.action, row.target) for row in rows]


def test_an_id_in_another_spelling_is_recorded_as_the_persons(root: Client, talk: Talk) -> None:
    shown = root.get(page("accounts_user_change", str(talk.user.pk).upper())).content.decode()
    assert talk.user.email in shown
    [entry] = AuditEntry.objects.filter(action="staff.viewed")
    assert (entry.subject_id, entry.target) == (talk.user.pk, f"accounts.user:{talk.user.pk}")


@pytest.mark.parametrize("verb", ["options", "put", "patch", "head"])
def test_an_object_is_on_record_whichever_verb_shows_it(root: Client, talk: Talk, verb: str) -> None:
    assert getattr(root, verb)(page("chat_conversation_change", talk.conversation.pk)).status_code == 200
    assert recorded() == [("staff.viewed", f"chat.conversation:{talk.conversation.pk}")]


def test_a_form_that_comes_back_with_faults_shows_the_object_too(root: Client, talk: Talk) -> None:
    answer = root.post(page("accounts_user_change", talk.user.pk), {"email": "no email"})
    assert answer.status_code == 200
    assert recorded() == [("staff.viewed", f"accounts.user:{talk.user.pk}")]


def test_what_staff_did_to_an_object_is_looked_at_on_record(root: Client, talk: Talk) -> None:
    assert root.get(page("accounts_user_history", talk.user.pk)).status_code == 200
    assert recorded() == [("staff.viewed", f"accounts.user:{talk.user.pk}")]


def test_asking_for_people_by_the_field_of_a_form_is_a_search(root: Client, talk: Talk) -> None:
    query = {"app_label": "inference", "model_name": "budget", "field_name": "user", "term": "ada"}
    [found] = root.get(page("autocomplete", **query)).json()["results"]
    assert found["text"] == talk.user.email
    assert recorded() == [("staff.searched", "accounts.user")]


@pytest.mark.parametrize(
    ("name", "lookup", "value"),
    [
        ("chat_message", "text__contains", "user 0"),
        ("chat_conversation", "user", "{user}"),
        ("chat_conversation", "user__id__exact", "{user}"),
        ("accounts_user", "email__startswith", "ada"),
        ("accounts_session", "ip", "192.0.2.7"),
        ("accounts_erasure", "token_hash__startswith", "5"),
        ("accounts_erasure", "sealed__startswith", "v"),
        ("accounts_erasure", "user_id", "{user}"),
        ("chat_attachment", "key__startswith", "{user}"),
    ],
)
def test_a_list_is_narrowed_by_its_filters_alone(root: Client, talk: Talk, name: str, lookup: str, value: str) -> None:
    address = page(f"{name}_changelist", **{lookup: value.format(user=talk.user.pk)})
    assert root.get(address).status_code == 400


def test_filters_that_a_list_shows_go_on_working(root: Client, talk: Talk) -> None:
    assert talk.user.email in root.get(page("accounts_user_changelist", is_staff__exact="0")).content.decode()
    for name, query in [
        ("chat_message", {"role": "user", "status__exact": "complete"}),
        ("chat_run", {"created_at__gte": "2020-01-01 00:00:00+00:00", "created_at__lt": "2030-01-01 00:00:00+00:00"}),
        ("accounts_auditentry", {"action": "staff.viewed"}),
    ]:
        assert root.get(page(f"{name}_changelist", **query)).status_code == 200
