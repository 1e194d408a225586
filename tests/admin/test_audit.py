"""What staff do is on record: opening, searching, changing, deleting, signing in and out."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from tests.admin.conftest import PASSWORD


def page(name, *args, **query):
    return reverse(f"admin:{name}", args=args, query=query)


def recorded(*, but=("staff.signed_in",)):
    rows = AuditEntry.objects.order_by("number")
    return [(row.action, row.target) for row in rows if row.action not in but]


def test_opening_an_object_is_recorded_and_opening_a_list_is_not(root, superuser, talk):
    root.get(page("chat_conversation_changelist"))
    assert recorded() == []
    root.get(page("chat_conversation_change", talk.conversation.pk))
    assert recorded() == [("staff.viewed", f"chat.conversation:{talk.conversation.pk}")]
    [entry] = AuditEntry.objects.filter(action="staff.viewed")
    assert entry.actor_id == superuser.pk
    assert '"address":"127.0.0.1"' in entry.private


def test_a_search_is_recorded_without_what_was_looked_for(root, talk):
    root.get(page("accounts_user_changelist", q=talk.user.email))
    assert recorded() == [("staff.searched", "accounts.user")]
    assert talk.user.email not in str(AuditEntry.objects.values_list("facts", "target", "private"))


def test_a_change_is_recorded_with_the_names_of_its_fields(root, talk):
    form = {"email": talk.user.email, "name": "Grace", "is_active": "on"}
    assert root.post(page("accounts_user_change", talk.user.pk), form).status_code == 302
    [entry] = AuditEntry.objects.filter(action="staff.changed")
    assert (entry.target, entry.subject_id) == (f"accounts.user:{talk.user.pk}", talk.user.pk)
    assert "Name" in entry.facts
    assert "Grace" not in entry.facts


def test_an_action_on_many_is_recorded_for_each(root, talk, other_talk):
    both = [talk.session.pk, other_talk.session.pk]
    root.post(page("accounts_session_changelist"), {"action": "revoke", "_selected_action": both})
    ended = [("session.ended", f"session:{key}") for key in both]  # whose owner sees it
    assert sorted(recorded()) == sorted([*(("staff.changed", f"accounts.session:{key}") for key in both), *ended])


def test_a_deletion_of_many_is_recorded_for_each(root, talk, other_talk):
    both = [talk.conversation.pk, other_talk.conversation.pk]
    chosen = {"action": "delete_selected", "_selected_action": both, "post": "yes"}
    root.post(page("chat_conversation_changelist"), chosen)
    assert sorted(recorded()) == sorted(("staff.deleted", f"chat.conversation:{key}") for key in both)


def test_signing_in_and_out_and_failing_to_are_recorded(superuser):
    client = Client()
    client.post(page("login"), {"username": superuser.email, "password": "my other password"})
    client.post(page("login"), {"username": superuser.email, "password": PASSWORD})
    client.post(page("logout"))
    assert [action for action, _ in recorded(but=())] == [
        "staff.sign_in_failed",
        "staff.signed_in",
        "staff.signed_out",
    ]


def test_the_page_shows_people_by_their_email_and_is_changed_by_nobody(root, superuser, talk):
    root.get(page("accounts_user_change", talk.user.pk))
    entry = AuditEntry.objects.get(action="staff.viewed")
    html = root.get(page("accounts_auditentry_changelist")).content.decode()
    assert superuser.email in html
    assert talk.user.email in html
    one = root.get(page("accounts_auditentry_change", entry.pk))
    assert "127.0.0.1" in one.content.decode()
    assert "salt" not in one.content.decode()
    assert root.post(page("accounts_auditentry_change", entry.pk), {"target": "x"}).status_code == 403
    assert root.post(page("accounts_auditentry_delete", entry.pk), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("query", [{"q": "ada@example.com"}, {"action": "staff.viewed"}])
def test_the_page_is_searched_by_person_and_action(root, talk, query):
    root.get(page("accounts_user_change", talk.user.pk))
    found = root.get(page("accounts_auditentry_changelist", **query)).context["cl"].result_list
    assert [row.action for row in found] == ["staff.viewed"]


def test_staff_without_the_right_do_not_see_it(staff_with):
    assert staff_with("view_user").get(page("accounts_auditentry_changelist")).status_code == 403
    assert staff_with("view_auditentry").get(page("accounts_auditentry_changelist")).status_code == 200
