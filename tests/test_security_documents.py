"""What the documents of security say can be found: each path and test, each requirement once, each with a verdict."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.test_project import ROOT

ASVS = ROOT / "docs" / "security" / "asvs.md"
DOCUMENTS = [ROOT / "SECURITY.md", *sorted((ROOT / "docs" / "security").glob("*.md"))]

# How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has; in each they are numbered from 1 without a
# gap. Sections with none are left out. https://github.com/OWASP/ASVS (5.0/docs_en)
_SECTIONS = """
    1.1=2 1.2=9 1.3=11 1.4=3 1.5=2
    2.1=3 2.2=3 2.3=4 2.4=1
    3.2=2 3.3=4 3.4=6 3.5=5 3.7=2
    4.1=3 4.2=1 4.3=2 4.4=4
    5.1=1 5.2=3 5.3=2 5.4=3
    6.1=3 6.2=12 6.3=4 6.4=4 6.5=5 6.6=3 6.8=4
    7.1=3 7.2=4 7.3=2 7.4=5 7.5=2 7.6=2
    8.1=2 8.2=3 8.3=1 8.4=1
    9.1=3 9.2=4
    10.1=2 10.2=2 10.3=4 10.4=11 10.5=5 10.6=2 10.7=3
    11.1=2 11.2=3 11.3=3 11.4=4 11.5=1 11.6=1
    12.1=3 12.2=2 12.3=4
    13.1=1 13.2=5 13.3=2 13.4=5
    14.1=2 14.2=4 14.3=3
    15.1=3 15.2=3 15.3=7
    16.1=1 16.2=5 16.3=4 16.4=3 16.5=3
    17.1=1 17.2=4 17.3=2
"""
SECTIONS = {section: int(many) for section, _, many in (entry.partition("=") for entry in _SECTIONS.split())}
LEVEL_1, LEVEL_2 = 70, 183

MET, ELSEWHERE, NOT_APPLICABLE, NOT_MET = "met", "in front of us", "not applicable", "**NOT MET**"
# A verdict, and what it is not whole without: why, or what is missing.
VERDICT = re.compile(
    rf"({MET})(?: \(.+\))?|({ELSEWHERE})(?:: .+)?|({NOT_APPLICABLE}): .+|({re.escape(NOT_MET)}): .+", re.ASCII
)
_ENDINGS = r"py|md|js|json|txt|in|toml|conf|html"
_PATH = re.compile(rf"(?!/)[\w.*/-]*[\w*]/[\w.*/-]*|[\w.*-]+\.(?:{_ENDINGS})", re.ASCII)
_TEST = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)", re.ASCII)


def cells(line: str) -> list[str]:
    """What stands in a row of a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows(pattern: str) -> list[list[str]]:
    """The rows of the table of requirements whose first cell is like that."""
    listed = [cells(line) for line in ASVS.read_text().splitlines() if line.startswith("| ")]
    return [row for row in listed if re.fullmatch(pattern, row[0])]


REQUIREMENTS = rows(r"\d+\.\d+\.\d+")
RISKS = rows(r"LLM\d+")


def kind_of(verdict: str) -> str | None:
    """Which of the four it is; None for what is no verdict."""
    found = VERDICT.fullmatch(verdict)
    return None if found is None else next(kind for kind in found.groups() if kind)


def test_every_requirement_has_one_row() -> None:
    wanted = [f"{section}.{number}" for section, many in SECTIONS.items() for number in range(1, many + 1)]
    assert len(wanted) == LEVEL_1 + LEVEL_2
    assert [row[0] for row in REQUIREMENTS] == wanted


def test_every_risk_of_language_models_has_one_row() -> None:
    assert [row[0] for row in RISKS] == [f"LLM{number:02}" for number in range(1, 11)]


def test_every_row_has_a_verdict() -> None:
    assert {len(row) for row in REQUIREMENTS} == {5}
    assert [row[0] for row in REQUIREMENTS + RISKS if kind_of(row[2]) is None] == []


def test_what_is_met_is_met_somewhere() -> None:
    assert [row[0] for row in REQUIREMENTS + RISKS if kind_of(row[2]) != NOT_APPLICABLE and "`" not in row[-2]] == []


def test_the_count_at_the_top_is_that_of_the_rows() -> None:
    counted = Counter((row[0].partition(".")[0], kind_of(row[2])) for row in REQUIREMENTS)
    kinds = (MET, ELSEWHERE, NOT_APPLICABLE, NOT_MET)
    chapters = dict.fromkeys(section.partition(".")[0] for section in SECTIONS)
    numbers = [[counted[chapter, kind] for kind in kinds] for chapter in chapters]
    numbers.append([sum(column) for column in zip(*numbers, strict=True)])
    said = [list(map(int, row[1:])) for row in rows(r"\d+ .+|all")]
    assert said == [[*line, sum(line)] for line in numbers]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_what_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    named = set(re.findall(r"`([^`\n]+)`", text))
    tests = [found.groups() for name in named if (found := _TEST.fullmatch(name))]
    paths = {name for name in named if _PATH.fullmatch(name)} | {file for file, _ in tests}
    links = {link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link}
    assert [path for path in sorted(paths) if not any(ROOT.glob(path))] == []
    assert [link for link in sorted(links) if not (document.parent / link).exists()] == []
    assert [
        f"{file}::{name}"
        for file, name in sorted(tests)
        if not re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
    ] == []
    # Whatever looks like a test and is written otherwise would be looked for by nobody.
    assert [name for name in named if "::" in name and not _TEST.fullmatch(name)] == []
    assert paths
