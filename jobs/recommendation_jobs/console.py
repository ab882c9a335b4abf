"""What a job says: a progress bar on a terminal, structured log lines elsewhere, one line at the end."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter
from tqdm import tqdm


class JobLines(OrjsonFormatter):
    """One JSON object a line: time, level, logger, message, and whatever else was given."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        names = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"}
        self.converter = time.gmtime
        super().__init__(["asctime", "levelname", "name", "message"], rename_fields=names, json_default=str)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Write the level as the other programs do."""
        return log_data | {"level": log_data["level"].lower()}


def start_logging() -> None:
    """Log to standard error: JSON lines, or plain ones on a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s") if sys.stderr.isatty() else JobLines())
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
