"""Log lines of the API, the jobs and the operator: JSON objects that one reader of logs understands alike."""

import json
import logging
import sys

import pytest

from recommendation_api.http.access_log import ApiLines
from recommendation_jobs.console import JobLines
from recommendation_operator.logs import OperatorLines


def record(**more: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": "x", "levelname": "WARNING", "msg": "two\nlines %s", "args": ("ä",), "created": 1.5, "msecs": 500.0}
        | more
    )


@pytest.mark.parametrize("lines", [ApiLines, JobLines, OperatorLines])
def test_every_program_writes_the_same_fields_and_the_time_in_utc(lines: type[logging.Formatter]) -> None:
    text = lines().format(record(drop_uid="u-1"))
    assert "\n" not in text
    assert json.loads(text) == {
        "time": "1970-01-01T00:00:01.500Z",
        "level": "warning",
        "logger": "x",
        "message": "two\nlines ä",
        "drop_uid": "u-1",
    }


@pytest.mark.parametrize("lines", [ApiLines, JobLines, OperatorLines])
def test_an_exception_stands_in_the_line_of_its_message(lines: type[logging.Formatter]) -> None:
    try:
        raise ValueError("an error")
    except ValueError:
        line = json.loads(lines().format(record(exc_info=sys.exc_info())))
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: an error")


def test_what_kopf_gives_its_records_stays_out_of_the_operators_lines() -> None:
    line = json.loads(OperatorLines().format(record(k8s_ref={"name": "someone"}, settings=object())))
    assert line.keys() == {"time", "level", "logger", "message"}
