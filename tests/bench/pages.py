"""The bench's output as files: a page with tables and charts, the charts, and all numbers as JSON."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.findings import Finding, shown

README = "README.md"
NUMBERS = "numbers.json"
ERRORS_SHOWN = 10


def page(findings: Sequence[Finding], *, facts: Sequence[str], command: str, date: str) -> str:
    """The page as Markdown: first the targets, then a section for each finding."""
    parts = [
        "# Performance",
        (
            f"Written by `{command}` on {date}; all numbers are in [{NUMBERS}]({NUMBERS}). Everything ran on one "
            "machine over the loopback: servers, mongod, the language model's stand-in and the clients shared "
            "its cores."
        ),
        "\n".join(f"- {fact}" for fact in facts),
        "## Targets",
        _table([["what", "measured", "target", "verdict"], *_target_lines(findings)]),
    ]
    for finding in findings:
        parts += _section(finding)
    return "\n\n".join(parts) + "\n"


def _target_lines(findings: Sequence[Finding]) -> list[list[str]]:
    lines = []
    for finding in findings:
        if finding.skipped:
            lines.append([f"[{finding.title}](#{finding.name})", "-", "", finding.skipped])
        for target in finding.targets:
            bound = f"{'≥' if target.more_is_better else '≤'} {shown(target.bound, target.unit)}"
            words = finding.verdict(target)
            value = shown(target.value, target.unit)
            lines.append(
                [f"[{target.what}](#{finding.name})", value, bound, words if words == "met" else f"**{words}**"]
            )
    return lines


def _section(finding: Finding) -> list[str]:
    parts = [f'<a id="{finding.name}"></a>\n\n## {finding.title}']
    if finding.skipped:
        return [*parts, f"Not measured: {finding.skipped}."]
    if finding.errors:
        # Neither sentence nor chart: both would be read without this warning.
        told = "\n".join(f"> - {_cell(error)}" for error in finding.errors[:ERRORS_SHOWN])
        parts.append(f"> **These figures are not valid: {len(finding.errors)} went wrong.**\n>\n{told}")
    else:
        parts += [f"{finding.sentence}.", *(f"![{chart.title}]({chart.name}.svg)" for chart in finding.charts)]
    parts += [_table(lines) for lines in finding.tables if lines]
    return [*parts, "\n".join(f"- {note}" for note in finding.notes)] if finding.notes else parts


def _table(lines: Sequence[Sequence[str]]) -> str:
    heads, *rows = ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines]
    return "\n".join([heads, "|" + " --- |" * len(lines[0]), *rows])


def _cell(words: str) -> str:
    return " ".join(words.replace("|", "\\|").replace("<", "&lt;").split())


def numbers(findings: Sequence[Finding], *, facts: Sequence[str], command: str, date: str) -> str:
    """Everything measured, as JSON; what is not a number is null."""
    said = {
        "date": date,
        "command": command,
        "machine": list(facts),
        "findings": {
            finding.name: {
                "title": finding.title,
                "sentence": finding.sentence,
                "skipped": finding.skipped or None,
                "errors": finding.errors,
                "targets": [
                    {
                        "what": target.what,
                        "value": target.value,
                        "at_least" if target.more_is_better else "at_most": target.bound,
                        "unit": target.unit,
                        "verdict": finding.verdict(target),
                    }
                    for target in finding.targets
                ],
                "numbers": finding.numbers,
            }
            for finding in findings
        },
    }
    return json.dumps(_finite(said), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value


def write(directory: Path, findings: Sequence[Finding], *, facts: Sequence[str], command: str, date: str) -> None:
    """Write page, numbers and charts into the directory; charts of an earlier time are removed."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.svg"):
        old.unlink()
    for finding in findings:
        for chart in () if finding.errors else finding.charts:
            (directory / f"{chart.name}.svg").write_text(chart.svg())
    (directory / README).write_text(page(findings, facts=facts, command=command, date=date))
    (directory / NUMBERS).write_text(numbers(findings, facts=facts, command=command, date=date))
