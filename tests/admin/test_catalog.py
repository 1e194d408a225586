"""The catalog of language models in the staff console, and what its changes do to what is offered."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
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
