"""What documents and docstrings name exists: modules, attributes, files and packages."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("docs/decisions/*.md")),
]
SOURCES = [*ROOT.glob("*/recommendation*/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/*.py")]
GROUP_OF_THE_CRD = "recommendation.gamestore.dev"
PATHS_START_AT = (ROOT, ROOT / "service" / "recommendation", ROOT / "service", ROOT / "tests", ROOT / "docs")
ASKS_WHICH_DATABASE = r"\bis_postgres\(|\bis_sqlite_url\(|\bdialect\.name\b"


def code_spans(text: str) -> list[str]:
    """Return what stands in single backticks; fenced blocks are left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def dotted_names(text: str) -> Iterator[str]:
    """Yield each `recommendation….name` in code spans, such as `recommendation.lists.order.order`."""
    for span in code_spans(text):
        for name in re.findall(r"(?<![\w./-])recommendation(?:_api|_jobs|_operator)?(?:\.\w+)+", span):
            if not name.startswith(GROUP_OF_THE_CRD):
                yield name


def python_files(text: str) -> Iterator[str]:
    """Yield each path that ends in .py in code spans."""
    for span in code_spans(text):
        yield from re.findall(r"[\w./-]+\.py\b", span)


def is_there(dotted: str) -> bool:
    """Tell whether a dotted name is a module, or an attribute of one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            if not dotted.startswith(str(error.name)):
                raise
            continue
        for name in parts[length:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_in_backticks_exist(page: Path) -> None:
    text = page.read_text()
    assert [name for name in dotted_names(text) if not is_there(name)] == []
    missing = [path for path in python_files(text) if not any((start / path).is_file() for start in PATHS_START_AT)]
    assert missing == []


def test_names_in_backticks_of_docstrings_and_comments_exist() -> None:
    named = {(path.name, name) for path in SOURCES for name in dotted_names(path.read_text())}
    assert len(SOURCES) > 300
    assert len(named) >= 5
    assert [(file, name) for file, name in sorted(named) if not is_there(name)] == []


def test_documents_do_name_modules_and_files() -> None:
    everything = "".join(page.read_text() for page in PAGES)
    assert len(set(dotted_names(everything))) >= 4
    assert len(set(python_files(everything))) >= 30


@pytest.mark.parametrize("package", ["recommendation", "recommendation_api"])
def test_the_architecture_names_every_package(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.split(f"| package of `{package}` |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    there = {path.stem for path in (ROOT / "service" / package).iterdir() if path.suffix == ".py" or path.is_dir()}
    assert named == there - {"__init__", "__pycache__", "static"}


def test_contributing_names_the_modules_outside_database_that_ask_which_one_it_is() -> None:
    library = ROOT / "service" / "recommendation"
    asking = {
        path.relative_to(library).as_posix()
        for path in library.rglob("*.py")
        if path.relative_to(library).parts[0] != "database" and re.search(ASKS_WHICH_DATABASE, path.read_text())
    }
    paragraph = (ROOT / "CONTRIBUTING.md").read_text().split("Code that differs between PostgreSQL and SQLite")[1]
    assert asking == set(python_files(paragraph.split("\n\n")[0]))


def test_documents_and_messages_call_commands_by_their_one_name() -> None:
    """What `recs` carries out also runs as modules, which the documents do not need."""
    other = re.compile(r"python3? -m (recommendation\b|recommendation_(jobs|api|cli)\b|uvicorn)")
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    told = [(page.name, line.strip()) for page in pages for line in page.read_text().splitlines() if other.search(line)]
    said = re.compile(rf"run '{other.pattern}")
    told += [(source.name, text) for source in SOURCES for text in said.findall(source.read_text())]
    assert not told, "say `recs COMMAND`"
