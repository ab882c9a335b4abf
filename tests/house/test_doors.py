"""Every page is reached from the index, its anchors exist, and each promise of the README has its row."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / "docs" / "README.md"
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks" / "README.md"})
DOORS = ("platform engineer", "on call", "release manager", "data scientist", "developer")


def without_blocks(text: str) -> str:
    """A page without what stands in fences."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> set[tuple[Path, str]]:
    """Where the links of a page lead within the repository: a path, and an anchor or nothing."""
    found = set()
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page.read_text())):
        if "://" not in target and not target.startswith("mailto:"):
            path, _, anchor = target.partition("#")
            found.add(((page.parent / path).resolve() if path else page, unquote(anchor)))
    return found


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: lower case, hyphens for spaces, other signs left out."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", without_blocks(page.read_text()), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        plain = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        number = 0
        while (name := f"{plain}-{number}" if number else plain) in found:
            number += 1
        found.add(name)
    return found


def test_every_page_is_reached_from_the_index() -> None:
    reached, waiting = set(), [INDEX]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [path for path, _ in links(page) if path.is_file()]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in reached] == []
    assert (ROOT / "README.md", "") in links(INDEX)
    assert INDEX in {path for path, _ in links(ROOT / "README.md")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_and_anchor_leads_somewhere(page: Path) -> None:
    missing = [str(path) for path, _ in links(page) if not path.exists()]
    lost = [
        f"{path.name}#{anchor}"
        for path, anchor in links(page)
        if anchor and path.suffix == ".md" and path.exists() and anchor not in anchors(path)
    ]
    assert (missing, lost) == ([], [])


def test_the_index_has_a_door_for_each_user_and_a_line_for_each_runbook() -> None:
    text = INDEX.read_text()
    doors = re.findall(r"^\*\*You [^*]+\*\*.*$", text, re.MULTILINE)
    assert [door for door in DOORS if not any(door in line for line in doors)] == []
    runbooks = {path for path, _ in links(INDEX) if path.parent.name == "runbooks"}
    assert runbooks == set((ROOT / "docs" / "runbooks").glob("*.md"))


def test_each_promise_of_the_readme_has_a_row_that_says_how_it_was_tried() -> None:
    promised = re.findall(r"^- \*\*(.+?)\*\*", (ROOT / "README.md").read_text().split("\n## ")[0], re.MULTILINE)
    page = (ROOT / "docs" / "promises.md").read_text()
    assert len(promised) >= 5
    for promise in promised:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| **{promise}** |")]
        assert re.search(r"`[\w/]+\.py`", row), promise


def test_the_page_of_promises_names_targets_that_exist() -> None:
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "docs" / "promises.md").read_text()))
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named <= there


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 300
