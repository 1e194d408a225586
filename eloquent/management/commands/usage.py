"""`manage.py usage report`: what was spent, by day, user, model or purpose."""

import csv
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDate

from eloquent.foundation.config import get_config
from eloquent.foundation.personal_data import NOBODY
from inference.admin.money import amount_shown
from inference.models import UsageLine

_COLUMNS: Final = {"day": "day", "user": "user_id", "model": "model", "purpose": "purpose", "source": "source"}
_SUMS: Final = ("calls", "input_tokens", "output_tokens", "cost")


class Command(BaseCommand):
    """Reads the ledger. Days are of UTC; `--until` is the first day that is not in the report."""

    help = "Report what language models were asked for, and what it cost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which days, in which groups, in which form."""
        report = parser.add_subparsers(dest="action", required=True).add_parser("report", help="sums of the ledger")
        report.add_argument("--since", type=_day, help="the first day, YYYY-MM-DD; without it 30 days ago")
        report.add_argument("--until", type=_day, help="the day behind the last one; without it tomorrow")
        report.add_argument(
            "--by",
            type=_groups,
            default=("model",),
            help="comma separated, of: day, user, model, purpose, source (default: model)",
        )
        report.add_argument("--format", choices=("table", "csv"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the report on stdout."""
        del args
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        until = options["until"] or tomorrow
        since = options["since"] or until - timedelta(days=31)
        rows = _rows(since, until, options["by"])
        header = [*options["by"], *_SUMS[:-1], f"cost_{get_config().usage_currency}"]
        if options["format"] == "csv":
            csv.writer(self.stdout, lineterminator="\n").writerows([header, *rows])
            return
        if not rows:
            self.stdout.write(f"Nothing was spent from {since} to before {until}.")
            return
        _table(self.stdout.write, [header, *rows], texts=len(options["by"]))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day: YYYY-MM-DD is expected") from None


def _groups(text: str) -> tuple[str, ...]:
    groups = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not set(groups) <= set(_COLUMNS):
        raise ArgumentTypeError(f"{text!r}: of {', '.join(_COLUMNS)}, comma separated")
    return groups


def _rows(since: date, until: date, by: Sequence[str]) -> list[list[Any]]:
    first, end = (datetime.combine(day, time(), tzinfo=UTC) for day in (since, until))
    lines: QuerySet[Any, Any] = UsageLine.objects.filter(at__gte=first, at__lt=end).order_by()
    if "day" in by:
        lines = lines.annotate(day=TruncDate("at"))
    columns = [_COLUMNS[name] for name in by]
    sums = lines.values(*columns).annotate(
        calls=Count("pk"), input=Sum("input_tokens"), output=Sum("output_tokens"), cost=Sum("cost_micros")
    )
    found = sorted(sums, key=lambda row: tuple(str(row[column]) for column in columns))
    emails = _emails({row["user_id"] for row in found}) if "user" in by else {}
    return [
        [
            *(emails.get(row[column], row[column]) if column == "user_id" else row[column] for column in columns),
            row["calls"],
            row["input"],
            row["output"],
            amount_shown(int(row["cost"] or 0)),
        ]
        for row in found
    ]


def _emails(ids: set[Any]) -> dict[Any, str]:
    """Those who are still there; of the others the id is all that is known."""
    user: Any = get_user_model()
    return {NOBODY: "(erased)", **dict(user.objects.filter(pk__in=ids).values_list("pk", "email"))}


def _table(write: Any, rows: Sequence[Sequence[Any]], *, texts: int) -> None:
    shown = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    for row in shown:
        cells = [
            cell.ljust(width) if column < texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        write("  ".join(cells).rstrip())
