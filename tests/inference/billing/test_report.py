"""`manage.py usage report`."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command

from accounts.models import User
from inference.models import UsageLine

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def spent(user_id: ObjectId, *, at: datetime = NOON, **fields: Any) -> None:
    run_id = ObjectId()
    kept = {"purpose": "answer", "model": "a/b", "source": "reported", "outcome": "complete", "cost_micros": 1_500_000}
    tokens = {"input_tokens": 1000, "output_tokens": 10, "step": 0}
    line = {**kept, **tokens, **fields}
    UsageLine.objects.create(id=f"{run_id}:0:answer", run_id=run_id, user_id=user_id, at=at, **line)


def report(*options: str) -> str:
    out = StringIO()
    call_command("usage", "report", *options, stdout=out)
    return out.getvalue()


def rows(*options: str) -> list[list[str]]:
    return list(csv.reader(StringIO(report("--format", "csv", *options))))


@pytest.fixture
def ada() -> User:
    return User.objects.create_user(email="ada@example.org", password="correct horse battery staple")


MAY = ("--since", "2026-05-01", "--until", "2026-06-01")


def test_sums_are_grouped_as_one_wishes(ada: User) -> None:
    spent(ada.pk)
    spent(ada.pk, model="c/d", cost_micros=None, at=NOON + timedelta(days=1))
    gone = ObjectId()
    spent(gone, purpose="title")
    spent(gone, at=NOON - timedelta(days=1))  # in April
    assert rows(*MAY) == [
        ["model", "calls", "input_tokens", "output_tokens", "cost_USD"],
        ["a/b", "2", "2000", "20", "3.00"],
        ["c/d", "1", "1000", "10", "0.00"],
    ]
    assert sorted(rows(*MAY, "--by", "day,user")[1:]) == [
        ["2026-05-01", str(gone), "1", "1000", "10", "1.50"],
        ["2026-05-01", "ada@example.org", "1", "1000", "10", "1.50"],
        ["2026-05-02", "ada@example.org", "1", "1000", "10", "0.00"],
    ]
    assert [row[0] for row in rows(*MAY, "--by", "purpose")[1:]] == ["answer", "title"]


def test_a_table_is_for_eyes(ada: User) -> None:
    spent(ada.pk, input_tokens=1_234_567)
    assert report(*MAY, "--by", "user").splitlines() == [
        "user             calls  input_tokens  output_tokens  cost_USD",
        "ada@example.org      1     1,234,567             10      1.50",
    ]


def test_the_last_days_are_what_is_reported_without_a_word(ada: User) -> None:
    assert report().startswith("Nothing was spent from ")
    spent(ada.pk, at=datetime.now(UTC))
    assert "a/b" in report()


@pytest.mark.parametrize("wrong", [("--since", "May"), ("--by", "colour"), ("--by", ""), ("--format", "pdf")])
def test_what_is_no_report_is_refused(wrong: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        report(*wrong)
