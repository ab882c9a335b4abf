"""Log lines as JSON objects, one a line. Values are escaped, so no id or title can forge a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if uid := getattr(record, "drop_uid", None):
            line["drop_uid"] = uid
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def use_json() -> None:
    """Replace the format of the handlers that Kopf set up, and leave out its line for every event it hands on."""
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter())
