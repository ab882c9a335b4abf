"""Writes the tables of settings in the docs from the fields that the loaders read: `make settings-docs`."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from recommendation.settings import InForce, Settings, in_force
from recommendation_operator.settings import OperatorSettings, settings_of

DOCS = Path(__file__).resolve().parents[1] / "docs"
BEGIN, END = "<!-- settings: made by `make settings-docs` -->", "<!-- end of settings -->"


def of_the_service() -> str:
    """Return the table of the service and its jobs."""
    return _table(_row(one) for one in in_force(Settings()))


def _row(one: InForce) -> tuple[str, str, str, str, str]:
    setting = one.setting
    default = setting.if_none if one.default is None else f"`{setting.text(one.default)}`"
    return setting.name, default, setting.takes, setting.unit, setting.reason


def of_the_operator() -> str:
    """Return the table of the operator."""
    return _table((one.name, one.default, one.takes, one.unit, one.reason) for one in settings_of(OperatorSettings))


def _table(rows: Iterable[tuple[str, str, str, str, str]]) -> str:
    lines = [f"| `{name}` | {default} | {takes} | {unit} | {reason} |" for name, default, takes, unit, reason in rows]
    head = ["| setting | default | takes | unit | meaning, and the reason for the default |", "|---|---|---|---|---|"]
    return "\n".join([BEGIN, *head, *lines, END])


def page(text: str, table: str) -> str:
    """Return a page with its table replaced."""
    before, rest = text.split(BEGIN, 1)
    return before + table + rest.split(END, 1)[1]


TABLES: dict[Path, Callable[[], str]] = {
    DOCS / "configuration.md": of_the_service,
    DOCS / "content-drops.md": of_the_operator,
}


if __name__ == "__main__":
    for path, table in TABLES.items():
        path.write_text(page(path.read_text(), table()))
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}: {table().count(chr(10)) - 3} settings\n")
