"""
Settings from a file: `NAME=value` on each line, as `docker run --env-file` and shells write them.

What the environment says stands above the file, so that one value can be tried without editing it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)


class EnvFileUnreadable(Exception):
    """A file of settings cannot be used; the message names the file and the line, never a value."""


def read_env_file(path: Path) -> dict[str, str]:
    """
    Read a file of settings.

    Blank lines and those that begin with `#` are skipped; quotes around a whole value are taken off.

    Raises:
        EnvFileUnreadable: it is not there, is not UTF-8, or a line has no `=`.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise EnvFileUnreadable(f"--env-file {path}: cannot be read ({reason})") from None
    return dict(_settings(path, lines))


def _settings(path: Path, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise EnvFileUnreadable(f"--env-file {path}: line {number} should read NAME=value")
        yield match[1], _unquoted(match[2].strip())


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
