"""What a job says: a progress bar on a terminal, structured log lines elsewhere, one line at the end."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter
from tqdm import tqdm

log = logging.getLogger(__name__)


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


LINE_EVERY_SECONDS = 10.0
"""Between two lines of a log that say how far a job is; a bar moves at each step."""


class Progress:
    """Counts towards a total: a bar on a terminal, a log line now and then elsewhere."""

    def __init__(self, what: str, total: int | None, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._total, self._unit, self._clock = what, total, unit, clock
        self._is_shown = sys.stderr.isatty()
        self._bar = tqdm(desc=what, total=total, unit=unit, unit_scale=True, disable=not self._is_shown)
        self._done, self._told_at = 0, clock()

    def advance(self, count: int) -> None:
        """Say that so many more are done."""
        self.reach(self._done + count)

    def reach(self, done: int, now: str = "") -> None:
        """Say how many are done in all, and what is done now."""
        self._bar.set_postfix_str(now, refresh=False)
        self._bar.update(done - self._done)
        self._done = done
        if not self._is_shown and self._clock() - self._told_at >= LINE_EVERY_SECONDS:
            self._told_at = self._clock()
            given = {"total": self._total, "now": now}
            told = {"stage": self._what, "done": done, "unit": self._unit}
            log.info("progress", extra=told | {name: value for name, value in given.items() if value})

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


@contextmanager
def progress(what: str, total: int | None, unit: str) -> Iterator[Progress]:
    """Show how far something is while it goes on."""
    shown = Progress(what, total, unit)
    try:
        yield shown
    finally:
        shown.close()
