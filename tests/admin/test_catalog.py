"""The catalog of language models in the staff console, and what its changes do to what is offered."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from inference.models import ModelEntry

pytestmark = pytest.mark.django_db

LIST = "admin:inference_modelentry_changelist"
FORM: dict[str, Any] = {
    "provider": "ollama",
    "name": "llama3.2:latest",
    "order": "100",
    "enabled": "on",
    "thinking": "",
    "prices-TOTAL_FORMS": "0",
    "prices-INITIAL_FORMS": "0",
}


@pytest.fixture
def llama() -> ModelEntry:
    return ModelEntry.objects.create(provider="ollama", name="llama3.2:latest", title="Llama", is_default=True)


def add(client: Client, **fields: str) -> Any:
    return client.post(reverse("admin:inference_modelentry_add"), {**FORM, **fields}, follow=True)


def faults(response: Any) -> dict[str, list[str]]:
    return dict(response.context["adminform"].form.errors)


def test_an_entry_is_added_with_all_that_can_be_decided(root: Client) -> None:
    decided = {
        "title": "Llama",
        "is_default": "on",
        "fallbacks": "llamacpp/smollm2, ollama/other:1b",
        "context_window": "4096",
        "temperature": "0.5",
        "top_p": "0.9",
        "max_output_tokens": "500",
        "thinking": "false",
        "keep_alive": "10m",
        "first_token_s": "60",
        "idle_s": "20",
        "total_s": "600",
    }
    assert faults_or_none(add(root, **decided)) is None
    entry = ModelEntry.objects.get()
    assert (entry.model_id, str(entry), entry.enabled, entry.is_default) == (
        "ollama/llama3.2:latest",
        "Llama",
        True,
        True,
    )
    assert entry.fallbacks == ["llamacpp/smollm2", "ollama/other:1b"]
    assert (entry.context_window, entry.temperature, entry.thinking) == (4096, 0.5, False)
    html = root.get(reverse(LIST)).content.decode()
    assert "llamacpp/smollm2, ollama/other:1b" in html


def test_what_is_left_open_is_kept_open(root: Client) -> None:
    assert faults_or_none(add(root)) is None
    entry = ModelEntry.objects.get()
    assert (entry.title, entry.context_window, entry.temperature, entry.thinking) == ("", None, None, None)
    assert (entry.fallbacks, entry.keep_alive) == ([], "")


def faults_or_none(response: Any) -> Any:
    return faults(response) if response.context.get("adminform") else None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("fallbacks", "ollama/llama3.2:latest", "cannot stand in for itself"),
        ("fallbacks", "llamacpp/a,llamacpp/a", "named twice"),
        ("fallbacks", "smollm2", "provider/name"),
        ("fallbacks", ",".join(f"llamacpp/{number}" for number in range(6)), "no more than 5"),
        ("provider", "nobody", "not one of the available choices"),
        ("context_window", "10", "greater than or equal to 256"),
        ("temperature", "3", "less than or equal to 2"),
        ("top_p", "-1", "greater than or equal to 0"),
        ("keep_alive", "for ever", "a span such as 10m"),
        ("idle_s", "0", "More than 0 seconds"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(root: Client, field: str, value: str, said: str) -> None:
    response = add(root, **{field: value})
    assert said in " ".join(faults(response)[field])
    assert not ModelEntry.objects.exists()


def test_a_model_has_one_entry_and_one_is_the_default(root: Client, llama: ModelEntry) -> None:
    assert "There is an entry for this model." in str(faults(add(root)))
    again = add(root, name="other", is_default="on")
    assert faults(again)["is_default"] == ["Another model is the default."]
    hidden = add(root, name="other", is_default="on", enabled="")
    assert "is_default" in faults(hidden)
    assert list(ModelEntry.objects.all()) == [llama]


def test_models_are_hidden_and_offered_from_the_list_and_the_log_says_who_did_it(
    root: Client, llama: ModelEntry
) -> None:
    chosen = {"_selected_action": [str(llama.pk)]}
    root.post(reverse(LIST), {"action": "disable", **chosen}, follow=True)
    llama.refresh_from_db()
    assert (llama.enabled, llama.is_default) == (False, False)
    assert LogEntry.objects.latest("action_time").get_change_message() == "Not offered any more."
    root.post(reverse(LIST), {"action": "enable", **chosen}, follow=True)
    llama.refresh_from_db()
    assert (llama.enabled, llama.is_default) == (True, False)


def test_switching_needs_the_permission_to_change(staff_with: Any, llama: ModelEntry) -> None:
    looking = staff_with("view_modelentry")
    assert looking.get(reverse(LIST)).status_code == 200
    looking.post(reverse(LIST), {"action": "disable", "_selected_action": [str(llama.pk)]}, follow=True)
    llama.refresh_from_db()
    assert llama.enabled
    change = reverse("admin:inference_modelentry_change", args=[llama.pk])
    assert looking.post(change, FORM).status_code == 403
    assert staff_with().get(reverse(LIST)).status_code == 403
    changing = staff_with("view_modelentry", "change_modelentry")
    changing.post(reverse(LIST), {"action": "disable", "_selected_action": [str(llama.pk)]}, follow=True)
    llama.refresh_from_db()
    assert not llama.enabled


def test_the_sidebar_has_the_catalog_for_those_who_may_see_it(staff_with: Any) -> None:
    link = reverse(LIST)
    assert link in staff_with("view_modelentry").get(reverse("admin:index")).content.decode()
    assert link not in staff_with("view_run").get(reverse("admin:index")).content.decode()


def test_prices_are_written_as_people_write_them_and_kept_in_millionths(root: Client) -> None:
    prices = {
        "prices-TOTAL_FORMS": "2",
        "prices-0-starts_at_0": "2026-01-01",
        "prices-0-starts_at_1": "00:00:00",
        "prices-0-input_micros": "2.50",
        "prices-0-cached_input_micros": "0.25",
        "prices-0-output_micros": "10",
        "prices-1-starts_at_0": "2026-06-01",
        "prices-1-starts_at_1": "00:00:00",
        "prices-1-input_micros": "0.000001",
        "prices-1-output_micros": "0",
    }
    assert faults_or_none(add(root, **prices)) is None
    entry = ModelEntry.objects.get()
    kept = [(each.input_micros, each.cached_input_micros, each.output_micros) for each in entry.prices.all()]
    assert kept == [(2_500_000, 250_000, 10_000_000), (1, None, 0)]
    html = root.get(reverse("admin:inference_modelentry_change", args=[entry.pk])).content.decode()
    for shown in ('value="2.50"', 'value="0.25"', 'value="10.00"', 'value="0.000001"'):
        assert shown in html


@pytest.mark.parametrize("amount", ["-1", "0.0000001", "much", ""])
def test_a_price_that_is_none_is_refused(root: Client, amount: str) -> None:
    price = {
        "prices-TOTAL_FORMS": "1",
        "prices-0-starts_at_0": "2026-01-01",
        "prices-0-starts_at_1": "00:00:00",
        "prices-0-input_micros": amount,
        "prices-0-output_micros": "1",
    }
    response = add(root, **price)
    [inline] = response.context["inline_admin_formsets"]
    assert set(inline.formset.errors[0]) == {"input_micros"}
    assert not ModelEntry.objects.exists()


def test_groups_are_chosen_by_name_and_shown_again(root: Client) -> None:
    team, other = (Group.objects.create(name=name) for name in ("Team", "Other"))
    assert faults_or_none(add(root, groups=str(team.pk))) is None
    entry = ModelEntry.objects.get()
    assert entry.groups == [team.pk]
    html = root.get(reverse("admin:inference_modelentry_change", args=[entry.pk])).content.decode()
    assert f'<option value="{team.pk}" selected>Team</option>' in html
    assert f'<option value="{other.pk}">Other</option>' in html


def test_what_a_model_can_do_may_be_said_where_its_server_does_not(root: Client) -> None:
    response = root.post(
        reverse("admin:inference_modelentry_add"), {**FORM, "capabilities": ["vision", "tools"]}, follow=True
    )
    assert faults_or_none(response) is None
    assert sorted(ModelEntry.objects.get().capabilities) == ["tools", "vision"]
    wrong = root.post(reverse("admin:inference_modelentry_add"), {**FORM, "name": "b", "capabilities": ["flight"]})
    assert set(faults(wrong)) == {"capabilities"}


def test_a_model_of_a_deleted_group_does_not_become_everyones_when_its_page_is_saved(root: Client) -> None:
    team = Group.objects.create(name="Team")
    entry = ModelEntry.objects.create(provider="ollama", name="llama3.2:latest", groups=[team.pk])
    Group.objects.all().delete()
    page = reverse("admin:inference_modelentry_change", args=[entry.pk])
    assert faults_or_none(root.post(page, {**FORM, "title": "Anew"}, follow=True)) is None
    entry.refresh_from_db()
    assert (entry.title, entry.groups) == ("Anew", [team.pk])
