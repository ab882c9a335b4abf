"""
The table of values in docs/chart.md, made from the comments of values.yaml: `python tests/chart/values_table.py`.

A value is a line whose comment above starts with `# -- `; maps and lists below it are its default.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
VALUES = ROOT / "helm" / "recommendation-service" / "values.yaml"
PAGE = ROOT / "docs" / "chart.md"
BEGIN, END = "<!-- values: made by `make chart-docs` -->", "<!-- end of values -->"


class Value(NamedTuple):
    """One row."""

    path: str
    default: object
    meaning: str


def documented() -> Iterator[Value]:
    """Every commented value, in the order of the file."""
    defaults = yaml.safe_load(VALUES.read_text())
    comment, parents = "", []  # type: ignore[var-annotated]
    for line in VALUES.read_text().splitlines():
        if found := re.match(r"\s*# -- (.*)", line):
            comment = found.group(1)
        elif found := re.match(r"( *)([A-Za-z]+):", line):
            depth = len(found.group(1)) // 2
            parents = [*parents[:depth], found.group(2)]
            if comment:
                yield Value(".".join(parents), _at(defaults, parents), comment)
            comment = ""


def _at(tree: Any, path: list[str]) -> object:
    for key in path:
        tree = tree[key]
    return tree


def table() -> str:
    """The rows as Markdown."""
    rows = [f"| `{v.path}` | `{_shown(v.default)}` | {v.meaning} |" for v in documented()]
    return "\n".join([BEGIN, "| value | default | meaning |", "|---|---|---|", *rows, END])


def _shown(default: object) -> str:
    return json.dumps(default).replace("|", "\\|")


def page(text: str) -> str:
    """A page with its table replaced by the present one."""
    before, rest = text.split(BEGIN, 1)
    return before + table() + rest.split(END, 1)[1]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: {len(list(documented()))} values\n")
