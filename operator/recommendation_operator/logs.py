"""Log lines as JSON objects, one a line. Values are escaped, so no id or title can forge a line."""

from __future__ import annotations

import logging
import time
from typing import Any

from pythonjsonlogger.json import JsonFormatter


class OperatorLines(JsonFormatter):
    """Time, level, logger, message, and the drop that it is about; Kopf's own attributes are left out."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        names = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"}
        self.converter = time.gmtime
        super().__init__(["asctime", "levelname", "name", "message"], rename_fields=names)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Keep the fields that a reader of the log expects, and write the level as the other programs do."""
        line = {name: value for name in _WRITTEN if (value := log_data.get(name)) is not None}
        return line | {"level": line["level"].lower()}


PROBES = ("kopf.activities.probe", "aiohttp.access")
"""Loggers of lines about probes that were answered well, nine of each a minute: seen with `kopf run --verbose`."""

_WRITTEN = ("time", "level", "logger", "message", "drop_uid", "exception")


def use_json() -> None:
    """Replace the format of the handlers that Kopf set up, and leave out its lines for events and for probes."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        for name in PROBES:
            logging.getLogger(name).setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(OperatorLines())
