"""The console's pages of erasures, exports and rules of retention."""

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, AuditEntry, DataExport, Erasure, Session, User
from accounts.personal_data import erasing
from chat.models import Attachment, Conversation, Import, ImportChunk, Message, RetentionRule, Run
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from tests.admin.conftest import Talk


@pytest.fixture(autouse=True)
def _nobody_else_erases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "SETTLES_AFTER_S", 0)


def page(name: str, *args: object) -> str:
    return reverse(f"admin:{name}", args=args)


def erase(client: Client, *users: User, **sent: str):
    chosen = [str(user.pk) for user in users]
    sent = {"action": "erase", "_selected_action": chosen, **sent}
    return client.post(page("accounts_user_changelist"), sent, follow=True)


@async_to_sync
async def work() -> None:
    """What the server's task does."""
    claimed = await erasing._claim()
    assert claimed is not None
    await erasing.Erasing(claimed).do()


def test_a_user_is_erased_by_superusers_in_two_steps_with_all_that_is_theirs(
    root: Client, staff_with, talk: Talk, other_talk: Talk
) -> None:
    storages["attachments"].save(talk.attachment.key, ContentFile(b"of tea"))
    erase(staff_with("view_user", "change_user", "delete_user"), talk.user, post="yes")
    assert not Erasure.objects.exists()

    question = erase(root, talk.user).content.decode()
    assert "ada@example.com" in question
    assert "<li>messages: 4</li>" in question
    assert (Erasure.objects.count(), User.objects.get(pk=talk.user.pk).is_active) == (0, True)

    assert "1 user will be erased" in erase(root, talk.user, post="yes").content.decode()
    [erasure] = Erasure.objects.all()
    assert erasure.by_staff
    assert not User.objects.get(pk=talk.user.pk).is_active
    assert "1 user will be erased" in erase(root, talk.user, post="yes").content.decode()
    assert Erasure.objects.count() == 1, "asked twice, it is the same"

    work()
    assert not User.objects.filter(pk=talk.user.pk).exists()
    for model in (Session, ApiKey, Conversation, Message, Run, Import, Attachment):
        assert {row.user_id for row in model.objects.all()} == {other_talk.user.pk}
    assert [chunk.upload_id for chunk in ImportChunk.objects.all()] == [other_talk.upload.pk]
    assert not storages["attachments"].exists(talk.attachment.key)
    assert not LogEntry.objects.filter(object_repr__contains="ada@").exists()
    root_user = User.objects.get(is_superuser=True)
    [asked] = AuditEntry.objects.filter(action="account.erasure_asked")
    assert (asked.actor_id, asked.subject_id) == (root_user.pk, talk.user.pk)

    listed = root.get(page("accounts_erasure_changelist")).content.decode()
    shown = root.get(page("accounts_erasure_change", erasure.pk)).content.decode()
    assert "complete" in listed
    assert "messages: deleted (4)" in shown
    assert "usage: anonymised" in shown
    assert root.post(page("accounts_erasure_delete", erasure.pk), {"post": "yes"}).status_code == 403


def test_users_are_not_deleted_behind_the_jobs_back(root: Client, superuser: User, talk: Talk) -> None:
    assert root.post(page("accounts_user_delete", talk.user.pk), {"post": "yes"}).status_code == 403
    sent = {"action": "delete_selected", "_selected_action": [str(talk.user.pk)], "post": "yes"}
    root.post(page("accounts_user_changelist"), sent)
    assert User.objects.filter(pk=talk.user.pk).exists()
    assert "by yourself" in erase(root, superuser, talk.user, post="yes").content.decode()
    assert not Erasure.objects.exists()


def test_an_erasure_that_waits_is_taken_back(root: Client, talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "accounts.personal_data.asking.get_config",
        lambda: get_config().model_copy(update={"erasure_grace_days": 7}),
    )
    erase(root, talk.user, post="yes")
    work()
    [erasure] = Erasure.objects.all()
    assert erasure.status == "waiting"
    sent = {"action": "take_back", "_selected_action": [str(erasure.pk)]}
    assert "1 erasure taken back" in root.post(page("accounts_erasure_changelist"), sent, follow=True).content.decode()
    assert User.objects.get(pk=talk.user.pk).is_active
    assert "0 erasures taken back" in root.post(page("accounts_erasure_changelist"), sent, follow=True).content.decode()
    assert Message.objects.filter(user=talk.user).count() == 4


def test_exports_are_looked_at(root: Client, staff_with, talk: Talk) -> None:
    at = now()
    export = DataExport.objects.create(
        user=talk.user, status="complete", active=False, documents=12, documents_done=12, key="secret-key",
        size_bytes=2_000_000, lease_expires_at=at, created_at=at, expires_at=at + timedelta(days=7),
    )  # fmt: skip
    for client in (root, staff_with("view_dataexport")):
        for path in (page("accounts_dataexport_changelist"), page("accounts_dataexport_change", export.pk)):
            html = client.get(path).content.decode()
            assert "12 of 12" in html
            assert "secret-key" not in html
    assert staff_with("view_user").get(page("accounts_dataexport_changelist")).status_code == 403


def test_rules_of_retention_are_made_for_groups(root: Client, staff_with) -> None:
    group = Group.objects.create(name="Guests")
    new = {"group": str(group.pk), "days": "30"}
    assert root.post(page("chat_retentionrule_add"), new).status_code == 302
    assert root.post(page("chat_retentionrule_add"), new).status_code == 200, "one rule a group"
    assert root.post(page("chat_retentionrule_add"), {**new, "days": "40000"}).status_code == 200
    [rule] = RetentionRule.objects.all()
    html = root.get(page("chat_retentionrule_changelist")).content.decode()
    assert "30 days" in html
    assert "in no group below are kept for ever (RETENTION_DAYS)" in " ".join(html.split())
    assert root.post(page("chat_retentionrule_delete", rule.pk), {"post": "yes"}).status_code == 302
    assert staff_with("view_retentionrule").get(page("chat_retentionrule_add")).status_code == 403


def test_the_log_of_the_console_names_no_words_of_users(root: Client, talk: Talk) -> None:
    root.post(page("chat_conversation_delete", talk.conversation.pk), {"post": "yes"})
    revoke = {"action": "revoke", "_selected_action": [str(talk.api_key.pk)]}
    root.post(page("accounts_apikey_changelist"), revoke)
    entries = {(entry.object_id, entry.object_repr) for entry in LogEntry.objects.all()}
    assert entries == {(str(talk.conversation.pk), "(conversation)"), (str(talk.api_key.pk), "(API key)")}
