"""No file uses the old-fashioned words that readers stumbled over; say who or what instead."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).relative_to(ROOT).as_posix()
KINDS = ("*.py", "*.md", "*.yaml", "*.js", "*.html", "*.tpl", "*.toml", "*.txt", "Makefile", "*/Dockerfile")
NEVER_REWRITTEN = "tests/chart/released/"  # what a released chart rendered
FORBIDDEN = re.compile(r"whoever|somebody|nobody|foretell|foretold|\bby and by\b|\bdear\b|of no account", re.IGNORECASE)


def tracked() -> list[str]:
    """Return the paths of every tracked text file that this rule holds for."""
    listed = subprocess.run(["git", "ls-files", "-z", *KINDS], cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [path for path in listed.stdout.split("\0") if path and not path.startswith(NEVER_REWRITTEN)]
    return [path for path in paths if path != HERE and (ROOT / path).exists()]


def found_in(text: str) -> list[str]:
    """Return each line that holds a forbidden word, with its number."""
    return [
        f"{number}: {line.strip()[:120]}" for number, line in enumerate(text.splitlines(), 1) if FORBIDDEN.search(line)
    ]


def test_no_file_uses_a_forbidden_word() -> None:
    paths = tracked()
    assert len(paths) > 300, "git lists too few files: this test would check nothing"
    lines = [f"{path}:{line}" for path in paths for line in found_in((ROOT / path).read_text())]
    assert lines == []


@pytest.mark.parametrize(
    "word", ["Whoever", "somebody's", "_NobodyReads", "foretold", "by and by", "dear", "of no account"]
)
def test_each_forbidden_word_is_found(word: str) -> None:
    assert found_in(f"one line\nand {word} here\n") == [f"2: and {word} here"]
