"""The staff console through a browser's eyes: who may see and do what, and that each page shows what it should."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiKey, Session, User
from chat.models import Conversation, Message, Run
from tests.admin.conftest import PASSWORD, Talk

HISTORY = [
    "accounts_session",
    "accounts_apikey",
    "chat_conversation",
    "chat_message",
    "chat_run",
    "chat_import",
    "chat_attachment",
]
LISTS = ["accounts_user", *HISTORY]


def page(name, *args, **query):
    return reverse(f"admin:{name}", args=args, query=query)


def text_of(response):
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def an(name, talk):
    """One object of the list's kind."""
    return {
        "accounts_user": talk.user,
        "accounts_session": talk.session,
        "accounts_apikey": talk.api_key,
        "chat_conversation": talk.conversation,
        "chat_message": talk.messages[0],
        "chat_run": talk.runs[0],
        "chat_import": talk.upload,
        "chat_attachment": talk.attachment,
    }[name]


def test_every_model_of_the_project_that_staff_may_see_is_registered():
    ours = {
        model._meta.label
        for model in admin.site._registry
        if model._meta.app_label in {"accounts", "chat", "inference"}
    }

    money = {"inference.ModelEntry", "inference.UsageLine", "inference.Budget", "inference.BudgetSpending"}
    people = {
        f"accounts.{name}"
        for name in ("User", "Session", "ApiKey", "AuditEntry", "Erasure", "DataExport", "Invitation")
    }
    chats = {"chat.Conversation", "chat.Message", "chat.Run", "chat.Import", "chat.Attachment", "chat.RetentionRule"}
    assert ours == people | chats | money


def test_a_person_who_is_no_staff_is_sent_to_the_sign_in(talk):
    client = Client()
    client.force_login(talk.user)

    for path in (page("index"), *(page(f"{name}_changelist") for name in LISTS)):
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"].startswith(page("login"))


def test_staff_sign_in_with_their_email_in_any_case(superuser):
    client = Client()

    signed_in = client.post(
        page("login"), {"username": "Root@Example.com", "password": PASSWORD, "next": page("index")}, follow=True
    )

    assert "Staff console" in text_of(signed_in)
    assert signed_in.wsgi_request.user == superuser


def test_a_wrong_password_does_not_sign_in(superuser):
    response = Client().post(page("login"), {"username": superuser.email, "password": "wrong"})

    assert "_auth_user_id" not in response.client.session


# Lists


@pytest.mark.parametrize("name", LISTS)
def test_a_list_shows_its_rows_and_opens_each(root, talk, name):
    one = an(name, talk)

    html = text_of(root.get(page(f"{name}_changelist")))

    assert page(f"{name}_change", one.pk) in html
    assert text_of(root.get(page(f"{name}_change", one.pk)))


@pytest.mark.parametrize("name", LISTS)
def test_an_object_that_is_not_there_leads_back_with_a_word(root, name):
    for missing in ("65f0c0ffee0123456789abcd", "not-an-id"):
        response = root.get(page(f"{name}_change", missing), follow=True)
        assert "doesn’t exist" in text_of(response)


def test_no_object_has_a_page_on_the_site(root, talk):
    assert root.get(f"/admin/r/1/{talk.user.pk}/").status_code == 404


@pytest.mark.parametrize("name", LISTS)
def test_a_search_by_email_or_id_finds_the_ones_of_that_person_alone(root, talk, other_talk, name):
    mine, other = an(name, talk), an(name, other_talk)

    for term in ("ADA@example", str(talk.user.pk), str(mine.pk)):
        html = text_of(root.get(page(f"{name}_changelist", q=term)))
        assert page(f"{name}_change", mine.pk) in html, term
        assert page(f"{name}_change", other.pk) not in html, term


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("accounts_user", "ada"),
        ("accounts_session", "firefox"),
        ("accounts_apikey", "SK-eloquent-0011"),
        ("chat_conversation", "tea"),
        ("chat_message", "of tea"),
        ("chat_run", "small"),
        ("chat_import", "of tea"),
        ("chat_attachment", "of tea"),
    ],
)
def test_a_search_by_words_finds_them_in_any_case_and_nothing_else(root, talk, name, term):
    link = page(f"{name}_change", an(name, talk).pk)

    assert link in text_of(root.get(page(f"{name}_changelist", q=term)))
    assert link not in text_of(root.get(page(f"{name}_changelist", q="zebra")))
    assert link not in text_of(root.get(page(f"{name}_changelist", q="somebody@else")))


@pytest.mark.parametrize("name", ["chat_message", "chat_run"])
def test_a_conversations_id_finds_what_is_in_it(root, talk, other_talk, name):
    html = text_of(root.get(page(f"{name}_changelist", q=str(talk.conversation.pk))))

    assert page(f"{name}_change", an(name, talk).pk) in html
    assert page(f"{name}_change", an(name, other_talk).pk) not in html


@pytest.mark.parametrize(
    ("name", "kept", "emptied"),
    [
        ("accounts_user", {"is_staff__exact": "0"}, {"is_active__exact": "0"}),
        ("chat_conversation", {"archived__exact": "0"}, {"pinned__exact": "1"}),
        ("chat_message", {"role__exact": "user"}, {"status__exact": "failed"}),
        ("chat_run", {"status__exact": "complete"}, {"status__exact": "failed"}),
        ("chat_import", {"status__exact": "uploading"}, {"status__exact": "failed"}),
        ("chat_attachment", {"media_type__exact": "image/png"}, {"media_type__exact": "text/plain"}),
    ],
)
def test_a_filter_keeps_what_fits(root, talk, name, kept, emptied):
    link = page(f"{name}_change", an(name, talk).pk)

    assert link in text_of(root.get(page(f"{name}_changelist", **kept)))
    assert link not in text_of(root.get(page(f"{name}_changelist", **emptied)))


def test_runs_are_filtered_by_day(root, talk):
    Run.objects.filter(pk=talk.runs[0].pk).update(created_at=timezone.now())
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)

    html = text_of(
        root.get(page("chat_run_changelist", created_at__gte=today, created_at__lt=today + timedelta(days=1)))
    )

    assert page("chat_run_change", talk.runs[0].pk) in html
    assert page("chat_run_change", talk.runs[1].pk) not in html


def test_a_long_list_has_pages_newest_first(root):
    talk = Talk("many@example.com", "Many", exchanges=30)

    first = text_of(root.get(page("chat_message_changelist")))
    second = text_of(root.get(page("chat_message_changelist", p=2)))

    assert first.count('name="_selected_action"') == 0  # nothing can be done to messages, so nothing is selected
    shown = [
        [str(m.pk) for m in talk.messages if page("chat_message_change", m.pk) in html] for html in (first, second)
    ]
    assert [len(ids) for ids in shown] == [50, 10]
    assert not set(shown[0]) & set(shown[1])
    assert str(talk.messages[-1].pk) in shown[0]
    assert str(talk.messages[0].pk) in shown[1]


def test_a_page_beyond_the_last_is_said_and_not_a_fault(root, talk):
    response = root.get(page("chat_message_changelist", p=99), follow=True)

    assert response.status_code == 200


# Who may see


@pytest.mark.parametrize("name", LISTS)
def test_staff_see_only_what_they_have_the_permission_for(staff_with, talk, name):
    model = name.split("_")[1]
    allowed = staff_with(f"view_{model}")
    path = page(f"{name}_change", an(name, talk).pk)

    assert allowed.get(path).status_code == 200
    for other in LISTS:
        expected = 200 if other == name else 403
        assert allowed.get(page(f"{other}_changelist")).status_code == expected
    assert staff_with().get(path).status_code == 403


def test_the_sidebar_offers_only_what_one_may_see(staff_with):
    html = text_of(staff_with("view_run").get(page("index")))

    assert page("chat_run_changelist") in html
    assert page("chat_message_changelist") not in html
    assert page("accounts_user_changelist") not in html
    assert page("auth_group_changelist") not in html


# What may not be done


@pytest.mark.parametrize("name", HISTORY)
def test_history_is_added_and_changed_by_nobody(root, talk, name):
    one = an(name, talk)
    before = type(one).objects.filter(pk=one.pk).values().get()

    assert root.get(page(f"{name}_add")).status_code == 403
    assert root.post(page(f"{name}_add"), {}).status_code == 403
    assert root.post(page(f"{name}_change", one.pk), {"title": "x", "text": "x", "label": "x"}).status_code == 403
    assert type(one).objects.filter(pk=one.pk).values().get() == before


@pytest.mark.parametrize("name", ["accounts_session", "accounts_apikey", "chat_message", "chat_run", "chat_attachment"])
def test_a_part_of_history_is_deleted_by_nobody_on_its_own(root, talk, name):
    one = an(name, talk)

    assert root.post(page(f"{name}_delete", one.pk), {"post": "yes"}).status_code == 403
    root.post(
        page(f"{name}_changelist"), {"action": "delete_selected", "_selected_action": [str(one.pk)], "post": "yes"}
    )
    assert type(one).objects.filter(pk=one.pk).exists()


def test_a_conversation_is_deleted_by_superusers_alone(staff_with, talk):
    staff = staff_with("view_conversation", "delete_conversation")
    path = page("chat_conversation_delete", talk.conversation.pk)

    assert staff.post(path, {"post": "yes"}).status_code == 403
    staff.post(
        page("chat_conversation_changelist"),
        {"action": "delete_selected", "_selected_action": [str(talk.conversation.pk)], "post": "yes"},
    )
    assert Conversation.objects.filter(pk=talk.conversation.pk).exists()


def test_a_deleted_conversation_takes_its_messages_and_runs_along_and_no_others(root, talk, other_talk):
    path = page("chat_conversation_delete", talk.conversation.pk)

    asked = root.get(path)
    root.post(path, {"post": "yes"})

    assert dict(asked.context["model_count"]) == {"conversations": 1, "messages": 4, "runs": 2, "attachments": 1}
    assert talk.messages[0].text not in text_of(asked)
    assert not Conversation.objects.filter(pk=talk.conversation.pk).exists()
    assert not Message.objects.filter(conversation_id=talk.conversation.pk).exists()
    assert not Run.objects.filter(conversation_id=talk.conversation.pk).exists()
    assert Message.objects.filter(conversation=other_talk.conversation).count() == 4
    assert Run.objects.filter(conversation=other_talk.conversation).count() == 2


def test_several_conversations_are_deleted_at_once(root, talk, other_talk):
    chosen = [str(talk.conversation.pk), str(other_talk.conversation.pk)]
    path = page("chat_conversation_changelist")

    asked = text_of(root.post(path, {"action": "delete_selected", "_selected_action": chosen}))
    root.post(path, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})

    assert "Tea" in asked
    assert not Conversation.objects.exists()
    assert not Message.objects.exists()


# The transcript


def test_a_conversation_shows_what_was_said_in_order_as_text(root, talk):
    html = text_of(root.get(page("chat_conversation_change", talk.conversation.pk)))

    places = [html.index(f"{role} {number} of Tea") for number in range(2) for role in ("user", "assistant")]
    assert places == sorted(places)
    assert "of Tea &lt;b&gt;&amp;" in html
    assert "of Tea <b>" not in html
    assert "12 / 34 tokens" in html
    assert "Be brief." in html
    assert "another branch" not in html


def test_a_second_answer_is_marked_as_another_branch(root, talk):
    first_question, first_answer = talk.messages[:2]
    again = Message.objects.get(pk=first_answer.pk)
    again.pk, again.text, again._state.adding = None, "Another answer", True
    again.parent_id = first_question.pk
    again.save()

    html = text_of(root.get(page("chat_conversation_change", talk.conversation.pk)))

    assert html.count("another branch") == 1
    assert html.index("another branch") < html.index("Another answer")


def test_an_answer_that_is_being_written_shows_its_text_so_far(root, talk):
    writing = {"status": "streaming", "text": "", "parts": [{"type": "text", "text": "Half an answer"}]}
    Message.objects.filter(pk=talk.messages[-1].pk).update(**writing)

    assert "Half an answer" in text_of(root.get(page("chat_message_changelist")))
    for path in (
        page("chat_conversation_change", talk.conversation.pk),
        page("chat_message_change", talk.messages[-1].pk),
    ):
        assert ">Half an answer</div>" in text_of(root.get(path))


def test_a_long_transcript_has_pages(root):
    talk = Talk("long@example.com", "Long", exchanges=60)
    path = page("chat_conversation_change", talk.conversation.pk)

    pages = [text_of(root.get(path, {"messages": number})) for number in (1, 2, 3)]

    assert [html.count("<article") for html in pages] == [50, 50, 20]
    assert "user 0 of Long" in pages[0]
    assert "assistant 59 of Long" in pages[2]
    assert "Page 2 of 3" in pages[1]


def test_a_message_that_its_owner_or_conversation_has_left_behind_can_still_be_read(root, talk):
    User.objects.filter(pk=talk.user.pk).delete()
    orphan = Message.objects.create(
        conversation_id="65f0c0ffee0123456789abcd",
        user_id="65f0c0ffee0123456789abce",
        role="user",
        text="left behind",
        status="complete",
        created_at=timezone.now(),
    )

    assert page("chat_message_change", orphan.pk) in text_of(root.get(page("chat_message_changelist")))
    assert "left behind" in text_of(root.get(page("chat_message_change", orphan.pk)))


def test_staff_see_what_a_user_thinks_of_an_answer_and_what_the_model_was_shown(root, talk):
    answer = Message.objects.filter(conversation=talk.conversation, role="assistant").first()
    answer.feedback = {"rating": "down", "comment": "Not what I asked."}
    answer.context = {"used": 4321, "limit": 6144, "dropped": 7}
    answer.save()

    shown = text_of(root.get(page("chat_message_change", answer.pk)))

    assert "Not what I asked." in shown
    assert "4321" in shown


def test_an_import_shows_how_far_it_is_and_its_problems_as_text(root, talk):
    html = text_of(root.get(page("chat_import_change", talk.upload.pk)))

    assert "50\N{NO-BREAK SPACE}% of 1.9\N{NO-BREAK SPACE}MB" in html
    assert "It is not JSON &lt;b&gt;." in html
    assert "secret words" not in html


def test_an_attachment_shows_what_it_is_and_not_what_is_in_it(root, talk):
    html = text_of(root.get(page("chat_attachment_change", talk.attachment.pk)))

    assert "picture of tea &lt;b&gt;.png" in html
    assert "1.9\N{NO-BREAK SPACE}MB" in html
    assert page("chat_conversation_change", talk.conversation.pk) in html
    assert talk.attachment.key not in html


def test_a_deleted_conversation_takes_its_files_along(root, talk, other_talk):
    for one in (talk, other_talk):
        storages["attachments"].save(one.attachment.key, ContentFile(b"of tea"))

    root.post(page("chat_conversation_delete", talk.conversation.pk), {"post": "yes"})

    assert not storages["attachments"].exists(talk.attachment.key)
    assert storages["attachments"].exists(other_talk.attachment.key)
    other_talk.user.delete()  # as a shell does
    assert not storages["attachments"].exists(other_talk.attachment.key)


# Users


def test_a_user_is_made_with_a_password_that_works(root):
    response = root.post(
        page("accounts_user_add"),
        {"email": "New@Example.com", "name": "New", "password1": PASSWORD, "password2": PASSWORD},
    )

    assert response.status_code == 302
    made = User.objects.get(email="new@example.com")
    assert made.check_password(PASSWORD)
    assert not made.is_staff


def test_an_email_that_is_taken_in_another_case_is_said_at_the_field(root, talk):
    data = {"email": "ADA@example.com", "name": "", "password1": PASSWORD, "password2": PASSWORD}

    assert "already exists" in text_of(root.post(page("accounts_user_add"), data))
    assert User.objects.filter(email="ada@example.com").count() == 1


def test_a_weak_password_is_refused(root):
    data = {"email": "new@example.com", "name": "", "password1": "short", "password2": "short"}

    response = root.post(page("accounts_user_add"), data)

    assert {"password1", "password2"} & set(response.context["adminform"].form.errors)
    assert not User.objects.filter(email="new@example.com").exists()


def test_a_changed_password_works_and_signs_the_user_out_everywhere(root, talk):
    new = "another-long-password"

    response = root.post(page("auth_user_password_change", talk.user.pk), {"password1": new, "password2": new})

    assert response.status_code == 302
    changed = User.objects.get(pk=talk.user.pk)
    assert changed.check_password(new)
    assert changed.token_version == talk.user.token_version + 1
    assert Session.objects.get(pk=talk.session.pk).revoked_at is not None


def user_form(user: User, **changes):
    return {"email": user.email, "name": user.name, "is_active": "on", **changes}


def test_a_user_is_renamed_and_deactivated(root, talk):
    data = user_form(talk.user, name="Grace")
    del data["is_active"]

    assert root.post(page("accounts_user_change", talk.user.pk), data).status_code == 302

    changed = User.objects.get(pk=talk.user.pk)
    assert (changed.name, changed.is_active) == ("Grace", False)
    assert changed.check_password(PASSWORD)
    assert Session.objects.get(pk=talk.session.pk).revoked_at is not None
    assert LogEntry.objects.filter(object_id=str(talk.user.pk)).exists()


def test_only_superusers_hand_out_rights(root, staff_with, talk):
    staff = staff_with("view_user", "change_user")
    path = page("accounts_user_change", talk.user.pk)
    rights = user_form(talk.user, is_staff="on", is_superuser="on")

    assert staff.post(path, rights).status_code == 302
    assert not User.objects.get(pk=talk.user.pk).is_staff
    assert root.post(path, rights).status_code == 302
    assert User.objects.get(pk=talk.user.pk).is_superuser


def test_staff_cannot_take_over_a_superuser(staff_with, superuser):
    staff = staff_with("view_user", "change_user")
    new = {"password1": "another-long-password", "password2": "another-long-password"}

    assert staff.post(page("auth_user_password_change", superuser.pk), new).status_code == 403
    assert staff.post(page("accounts_user_change", superuser.pk), user_form(superuser)).status_code == 403
    assert User.objects.get(pk=superuser.pk).check_password(PASSWORD)


def test_staff_cannot_take_over_other_staff(staff_with, root):
    staff = staff_with("view_user", "change_user")
    reader = staff_with("view_user", "change_user", "view_conversation").get(page("index")).wsgi_request.user
    new = {"password1": "another-long-password", "password2": "another-long-password"}

    assert staff.post(page("auth_user_password_change", reader.pk), new).status_code == 403
    assert staff.post(page("accounts_user_change", reader.pk), user_form(reader)).status_code == 403
    assert User.objects.get(pk=reader.pk).check_password(PASSWORD)
    own = staff.get(page("index")).wsgi_request.user
    assert staff.post(page("accounts_user_change", own.pk), user_form(own, name="Me")).status_code == 302
    assert User.objects.get(pk=own.pk).name == "Me"
    assert root.post(page("auth_user_password_change", reader.pk), new).status_code == 302


# Signed-in devices


def revoke(client: Client, one: Session | ApiKey):
    changelist = page(f"accounts_{one._meta.model_name}_changelist")
    return client.post(changelist, {"action": "revoke", "_selected_action": [str(one.pk)]}, follow=True)


def test_a_revoked_session_is_over_and_the_log_says_who_did_it(root, talk, other_talk):
    assert "1 session revoked" in text_of(revoke(root, talk.session))

    assert Session.objects.get(pk=talk.session.pk).revoked_at is not None
    assert Session.objects.get(pk=other_talk.session.pk).revoked_at is None
    assert LogEntry.objects.get().object_id == str(talk.session.pk)


def test_revoking_needs_its_permission(staff_with, talk):
    revoke(staff_with("view_session"), talk.session)
    assert Session.objects.get(pk=talk.session.pk).revoked_at is None

    revoke(staff_with("view_session", "change_session"), talk.session)
    assert Session.objects.get(pk=talk.session.pk).revoked_at is not None


@pytest.mark.parametrize("field", ["refresh_hash", "previous_hash", "lineage_hash", "successor"])
def test_sessions_cannot_be_asked_for_by_their_secrets(staff_with, talk, field):
    """Or an address that is tried letter by letter would tell them."""
    staff = staff_with("view_session")

    assert staff.get(page("accounts_session_changelist", **{f"{field}__startswith": ""})).status_code == 400


def test_a_revoked_key_is_over_and_the_log_says_who_did_it(root, talk, other_talk):
    assert "1 API key revoked" in text_of(revoke(root, talk.api_key))
    assert "0 API keys revoked" in text_of(revoke(root, talk.api_key))

    assert ApiKey.objects.get(pk=talk.api_key.pk).revoked_at is not None
    assert ApiKey.objects.get(pk=other_talk.api_key.pk).revoked_at is None
    assert LogEntry.objects.get().object_id == str(talk.api_key.pk)


def test_revoking_a_key_needs_its_permission(staff_with, talk):
    revoke(staff_with("view_apikey"), talk.api_key)
    assert ApiKey.objects.get(pk=talk.api_key.pk).revoked_at is None

    revoke(staff_with("view_apikey", "change_apikey"), talk.api_key)
    assert ApiKey.objects.get(pk=talk.api_key.pk).revoked_at is not None


def test_keys_cannot_be_asked_for_by_their_hash(staff_with, talk):
    staff = staff_with("view_apikey")

    assert staff.get(page("accounts_apikey_changelist", hash__startswith="")).status_code == 400


def test_a_key_shows_how_it_begins_and_no_hash(root, talk):
    html = text_of(root.get(page("accounts_apikey_change", talk.api_key.pk)))

    assert "sk-eloquent-00112233" in html
    assert "chat, models" in html
    assert "secret-hash" not in html


def test_a_session_shows_no_secret(root, talk):
    html = text_of(root.get(page("accounts_session_change", talk.session.pk)))

    assert "Firefox on Linux" in html
    assert "secret" not in html


# The first page


def test_the_first_page_counts_what_there_is(root, talk):
    Run.objects.filter(pk=talk.runs[0].pk).update(created_at=timezone.now(), status="failed")

    response = root.get(page("index"))

    assert {str(name): count for name, count, _ in response.context["totals"]} == {
        "users": 2,
        "conversations": 1,
        "messages": 4,
        "runs": 2,
    }
    assert response.context["runs_today"] == [("failed", 1)]
    assert "Runs today" in text_of(response)


def test_the_first_page_counts_only_what_one_may_see(staff_with, talk):
    response = staff_with("view_message").get(page("index"))

    assert [str(name) for name, _, _ in response.context["totals"]] == ["messages"]
    assert response.context["runs_today"] is None


@pytest.mark.parametrize("name", [*LISTS, "auth_group"])
def test_history_of_an_object_and_the_add_page_open_where_they_may(root, talk, name):
    assert root.get(page(f"{name}_changelist")).status_code == 200
    assert root.get(page(f"{name}_add")).status_code == (403 if name in HISTORY else 200)
    if name != "auth_group":
        assert root.get(page(f"{name}_history", an(name, talk).pk)).status_code == 200
