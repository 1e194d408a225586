"""The ledger and the budgets in the staff console."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import User
from inference.models import Budget, BudgetSpending, UsageLine

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
FORM = {"name": "Monthly", "enabled": "on", "period": "month", "unit": "tokens", "limit": "200000", "model": ""}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user(email="ada@example.org", password="correct horse battery staple")


def a_line(user_id: ObjectId, **fields: Any) -> UsageLine:
    run_id = ObjectId()
    kept = {
        "id": f"{run_id}:0:answer",
        "run_id": run_id,
        "step": 0,
        "purpose": "answer",
        "user_id": user_id,
        "model": "openai/gpt-5",
        "input_tokens": 1200,
        "output_tokens": 34,
        "cost_micros": 123456,
        "source": "reported",
        "outcome": "complete",
        "at": NOON,
    }
    return UsageLine.objects.create(**{**kept, **fields})


def add(client: Client, **fields: str) -> Any:
    return client.post(reverse("admin:inference_budget_add"), {**FORM, **fields}, follow=True)


def faults(response: Any) -> Any:
    shown = response.context.get("adminform")
    return set(shown.form.errors) if shown else None


def test_the_ledger_shows_who_what_and_how_much_and_nobody_changes_it(root: Client, ada: User) -> None:
    line, gone = a_line(ada.pk), a_line(ObjectId(), cost_micros=None)
    html = root.get(reverse("admin:inference_usageline_changelist")).content.decode()
    for shown in ("ada@example.org", "1,200\N{NO-BREAK SPACE}/ 34", "0.123456\N{NO-BREAK SPACE}USD", str(gone.user_id)):
        assert shown in html
    page = reverse("admin:inference_usageline_change", args=[line.pk])
    assert "0.123456\N{NO-BREAK SPACE}USD" in root.get(page).content.decode()
    assert root.post(page, {"input_tokens": "1"}).status_code == 403
    assert root.get(reverse("admin:inference_usageline_add")).status_code == 403
    assert root.post(reverse("admin:inference_usageline_delete", args=[line.pk]), {"post": "yes"}).status_code == 403
    line.refresh_from_db()
    assert line.input_tokens == 1200


@pytest.mark.parametrize("by", ["email", "user", "run"])
def test_a_line_is_found_by_its_user_or_its_run(root: Client, ada: User, by: str) -> None:
    mine, other = a_line(ada.pk), a_line(ObjectId())
    term = {"email": "ada@example", "user": str(ada.pk), "run": str(mine.run_id)}[by]
    html = root.get(reverse("admin:inference_usageline_changelist", query={"q": term})).content.decode()
    assert str(mine.run_id) in html
    assert str(other.run_id) not in html


@pytest.mark.parametrize(
    ("unit", "written", "kept", "shown"),
    [
        ("tokens", "200000", 200_000, 'value="200000"'),
        ("money", "50", 50_000_000, 'value="50.00"'),
        ("money", "0.5", 500_000, 'value="0.50"'),
    ],
)
def test_a_limit_is_written_in_its_unit(root: Client, unit: str, written: str, kept: int, shown: str) -> None:
    assert faults(add(root, unit=unit, limit=written)) is None
    budget = Budget.objects.get()
    assert (budget.limit, budget.unit, budget.shared) == (kept, unit, False)
    assert shown in root.get(reverse("admin:inference_budget_change", args=[budget.pk])).content.decode()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"limit": "0"}, {"limit"}),
        ({"limit": "1.5"}, {"limit"}),
        ({"limit": "-5"}, {"limit"}),
        ({"limit": "many"}, {"limit"}),
        ({"name": ""}, {"name"}),
        ({"model": "gpt"}, {"model"}),
        ({"unit": "miles"}, {"unit"}),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(root: Client, fields: dict[str, str], wrong: set[str]) -> None:
    assert faults(add(root, **fields)) == wrong
    assert not Budget.objects.exists()


def test_a_budget_is_for_one_user_a_group_or_everyone(root: Client, ada: User) -> None:
    group = Group.objects.create(name="Team")
    both = {"user": str(ada.pk), "group": str(group.pk)}
    assert faults(add(root, **both)) == {"group"}
    assert faults(add(root, user=str(ada.pk), shared="on")) == {"shared"}
    assert faults(add(root, name="Hers", user=str(ada.pk))) is None
    assert faults(add(root, name="Theirs", group=str(group.pk), shared="on")) is None
    assert faults(add(root, name="All")) is None
    html = root.get(reverse("admin:inference_budget_changelist")).content.decode()
    for shown in ("ada@example.org", "group Team, together", "everyone, each", "200,000 tokens"):
        assert shown in html


def test_what_is_spent_of_a_budget_is_shown_with_what_is_held(root: Client, ada: User) -> None:
    budget = Budget.objects.create(name="Hers", user=ada, period="day", unit="money", limit=5_000_000)
    BudgetSpending.objects.create(
        id=f"{budget.pk}:{ada.pk}:2026-05-01",
        budget=budget,
        user_id=ada.pk,
        used=1_250_000,
        holds=[{"key": "k", "amount": 500_000, "until_ms": 1}],
        starts_at=NOON,
        resets_at=NOON,
        expires_at=NOON,
    )
    html = root.get(reverse("admin:inference_budgetspending_changelist")).content.decode()
    for shown in (
        "Hers",
        "ada@example.org",
        "1.25\N{NO-BREAK SPACE}USD",
        "0.50\N{NO-BREAK SPACE}USD",
        "5.00\N{NO-BREAK SPACE}USD",
    ):
        assert shown in html
