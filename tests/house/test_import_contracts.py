"""`make check` refuses an import against the flow: each contract is broken in a copy, and says so."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("service", "jobs", "operator")
LINT = (sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")

pytestmark = pytest.mark.xdist_group("import-contracts")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, with their contracts."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def lint(folder: Path) -> tuple[int, str]:
    """Return how checking the imports of a copy ended, and what was written, on one line."""
    environment = {"PYTHONPATH": ":".join(str(folder / name) for name in SOURCES), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(LINT, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_the_sources_as_they_are_keep_every_contract(copied: Path) -> None:
    code, said = lint(copied)
    assert code == 0, said


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        (
            "recommendation/interactions/pairs.py",
            "import recommendation.lists.stored",
            "The flow: a package imports what stands below it, never above",
        ),
        ("recommendation/interactions/pairs.py", "import sqlalchemy", "Rules know no SQL"),
        ("recommendation/lists/order.py", "import recommendation.database.tables", "Rules know no SQL"),
        ("recommendation/ids.py", "import fastapi", "The library knows no shell and no framework"),
        ("recommendation_api/keys.py", "import recommendation_api.parts", "The API, from the outside in"),
        (
            "recommendation_api/http/pages.py",
            "import scipy.sparse",
            "The API serves without scikit-learn and Numba: it folds in and ranks with NumPy alone",
        ),
        ("recommendation/novelties/__init__.py", "", "The flow: a package imports what stands below it, never above"),
        ("recommendation_api/novelties/__init__.py", "", "The API, from the outside in"),
    ],
)
def test_an_import_against_a_contract_is_refused_by_its_name(
    copied: Path, module: str, line: str, contract: str
) -> None:
    changed = copied / "service" / module
    before = changed.read_text() if changed.exists() else None
    changed.parent.mkdir(exist_ok=True)
    changed.write_text(f"{before or ''}\n{line}\n")
    try:
        code, said = lint(copied)
    finally:
        if before is None:
            shutil.rmtree(changed.parent)
        else:
            changed.write_text(before)
    assert code != 0
    assert f"{contract} BROKEN" in said, said
