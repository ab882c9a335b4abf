"""Every notebook of the docs runs from its first cell to its last, and is stored without results."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
CELL = {"cell_type", "id", "metadata", "source"}


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    """The cells of one kind of a notebook in format 4 (nbformat.readthedocs.io)."""
    book = json.loads(path.read_text())
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    found: list[dict[str, Any]] = [cell for cell in book["cells"] if cell["cell_type"] == kind]
    return found


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    """By a plain interpreter: Jupyter's own runner brings twenty packages, and these cells use nothing of IPython."""
    script = tmp_path / f"{path.stem}.py"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in cells(path, "code")))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_without_results_and_without_magic(path: Path) -> None:
    code, text = cells(path, "code"), cells(path, "markdown")
    assert all(set(cell) == CELL | {"outputs", "execution_count"} for cell in code)
    assert all(set(cell) == CELL for cell in text)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    ids = [cell["id"] for cell in [*code, *text]]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one) for one in ids)
    assert not [line for cell in code for line in cell["source"] if line.startswith(("%", "!"))]
