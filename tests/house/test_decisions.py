"""Every decision has a date and a state, and the index lists it with both."""

import re
from pathlib import Path

import pytest

DECISIONS = Path(__file__).resolve().parents[2] / "docs" / "decisions"
PAGES = sorted(page for page in DECISIONS.glob("*.md") if page.name != "README.md")
STATE = r"accepted|superseded by \[[^\]]+\]\([a-z0-9-]+\.md\)"


def heading(page: Path) -> tuple[str, str, str]:
    """Return title, date and state of a decision, from its first three lines."""
    found = re.match(rf"# (.+)\n\n(\d{{4}}-\d\d-\d\d) · ({STATE})\n\n", page.read_text())
    assert found, f"{page.name} does not begin with a title, an empty line, and 'date · state'"
    return found[1], found[2], found[3]


def listed() -> dict[str, tuple[str, str, str, str]]:
    """Return file -> (title, date, state, answer) of each row of the index."""
    row = rf"^\| (\d{{4}}-\d\d-\d\d) \| \[([^\]]+)\]\(([^)]+)\) \| ({STATE}) \| (.+) \|$"
    found = re.findall(row, (DECISIONS / "README.md").read_text(), re.MULTILINE)
    return {file: (title, date, state, answer) for date, title, file, state, answer in found}


def test_the_index_lists_every_decision_and_nothing_else() -> None:
    assert len(PAGES) >= 20
    assert set(listed()) == {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_index_repeats_title_date_and_state_of_a_decision(page: Path) -> None:
    assert listed()[page.name][:3] == heading(page)


def test_the_index_is_in_the_order_of_dates() -> None:
    dates = [date for _, date, _, _ in listed().values()]
    assert dates == sorted(dates)
