"""Which Jobs the operator removes: those that ended well, some time ago."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from recommendation_operator.drop import ContentDrop
from recommendation_operator.records import JobView
from recommendation_operator.tidying import stayed_long_enough

NOW = datetime(2026, 11, 25, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)
GOOD = JobView("content-drop-x-1", "job-1", owner_uid="drop-1", outcome="Complete", ended=NOW - HOUR)


def a_drop(succeeded: str) -> ContentDrop:
    status = {"conditions": [{"type": "Succeeded", "status": succeeded}]}
    return ContentDrop("drop-1", "autumn", "shop", 1, "7", NOW - 2 * HOUR, {}, status)


@pytest.mark.parametrize(
    ("job", "succeeded", "goes"),
    [
        (GOOD, "True", True),
        (replace(GOOD, ended=NOW - HOUR + timedelta(seconds=1)), "True", False),
        (replace(GOOD, outcome="Failed"), "False", False),
        (GOOD, "False", False),  # complete, but the drop failed: its shards' reports were lost, and its logs tell why
        (GOOD, "Unknown", False),
        (replace(GOOD, owner_uid="drop-of-another-list"), "True", False),
        (replace(GOOD, deleting=True), "True", False),
        (replace(GOOD, outcome=None, ended=None), "True", False),
        (replace(GOOD, owner_uid=None, trains=True), "False", True),
        (replace(GOOD, owner_uid=None, trains=True, outcome="Failed"), "True", False),
        (replace(GOOD, owner_uid=None, for_everyone=True), "False", True),
        (replace(GOOD, owner_uid=None, for_everyone=True, outcome="Failed"), "True", False),
    ],
)
def test_a_job_goes_when_it_ended_well_an_hour_ago(job: JobView, succeeded: str, goes: bool) -> None:
    assert list(stayed_long_enough([job], [a_drop(succeeded)], NOW, HOUR)) == ([job] if goes else [])
