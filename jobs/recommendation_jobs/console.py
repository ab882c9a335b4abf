"""What a job says: a progress bar on a terminal, structured log lines elsewhere, one line at the end."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tqdm import tqdm

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, message and whatever else was given."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def start_logging() -> None:
    """Log to standard error: JSON lines, or plain ones on a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s") if sys.stderr.isatty() else JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class Progress:
    """Counts towards a total."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar

    def advance(self, count: int) -> None:
        """Say that so many more are done."""
        self._bar.update(count)


@contextmanager
def progress(what: str, total: int | None, unit: str) -> Iterator[Progress]:
    """Show a bar on a terminal, and nothing elsewhere."""
    with tqdm(desc=what, total=total, unit=unit, unit_scale=True, disable=not sys.stderr.isatty()) as bar:
        yield Progress(bar)
