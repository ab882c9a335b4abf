"""What regenerations for no drop need next: one at a time, drops first, nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation_operator import names
from recommendation_operator.everyone import Close, MakeJob, Need, PauseJob, RemoveJob, left_behind, plan_everyone
from recommendation_operator.records import JobView, RegenerationView

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CLOSING = timedelta(minutes=2)
FIRST = RegenerationView("r-1", "running", 4, worked_on_by="jobs")
SECOND = replace(FIRST, id="r-2")


def job_of(regeneration: RegenerationView, **facts: object) -> JobView:
    name = names.everyones_job_name(regeneration.id)
    job = JobView(name, f"uid-{regeneration.id}", regeneration=regeneration.id, for_everyone=True)
    return replace(job, **facts)  # type: ignore[arg-type]


JOB = job_of(FIRST)
PAUSED = replace(JOB, suspended=True)
COMPLETE = replace(JOB, outcome="Complete", ended=NOW - timedelta(seconds=119))
FAILED = replace(JOB, outcome="Failed", ended=NOW, failed_indexes="1,3")
ALL = (0, 1, 2, 3)


def planned(
    running: list[RegenerationView], jobs: list[JobView], over: Sequence[JobView] = (), drops_first: bool = False
) -> Need | None:
    return plan_everyone(running, {job.name: job for job in jobs}, over, drops_first, CLOSING, NOW)


@pytest.mark.parametrize(
    ("jobs", "drops_first", "need"),
    [
        ([], False, MakeJob(FIRST)),
        ([], True, None),
        ([JOB], False, None),
        ([JOB], True, PauseJob(JOB.name, JOB.uid, True)),
        ([PAUSED], True, None),
        ([PAUSED], False, PauseJob(JOB.name, JOB.uid, False)),
        ([replace(JOB, deleting=True)], False, None),
        ([COMPLETE], False, None),
        ([replace(COMPLETE, ended=NOW - timedelta(seconds=121))], True, Close("r-1", ALL)),
        ([FAILED], True, Close("r-1", (1, 3))),
        ([replace(FAILED, failed_indexes="")], False, Close("r-1", ALL)),
    ],
)
def test_a_regeneration_has_one_job_that_lets_drops_go_first(
    jobs: list[JobView], drops_first: bool, need: Need | None
) -> None:
    assert planned([FIRST], jobs, drops_first=drops_first) == need


def test_the_next_waits_for_the_one_that_is_served() -> None:
    assert planned([FIRST, SECOND], [JOB]) is None
    assert planned([SECOND], [COMPLETE]) == MakeJob(SECOND)


def test_the_job_of_one_that_was_ended_goes_before_the_next_is_made() -> None:
    assert planned([SECOND], [JOB], over=(JOB,)) == RemoveJob(JOB.name, JOB.uid)
    assert planned([], [JOB], over=(JOB,), drops_first=True) == RemoveJob(JOB.name, JOB.uid)
    assert planned([SECOND], [], over=()) == MakeJob(SECOND)


def test_the_job_of_one_that_is_through_ends_by_itself() -> None:
    assert planned([], [JOB]) is None
    assert left_behind([], [JOB, PAUSED]) == [JOB, PAUSED]
    assert left_behind([], [FAILED, COMPLETE]) == [], "its logs stay"


def test_jobs_of_drops_and_trainings_are_none_of_its_business() -> None:
    others = [JobView("content-drop-x-1", "a", "drop", "r-1"), JobView("train-x", "b", trains=True)]
    assert left_behind([], others) == []
    assert planned([], others) is None


@given(st.booleans(), st.sampled_from([None, "Complete", "Failed"]), st.booleans(), st.booleans())
def test_it_comes_to_rest(suspended: bool, outcome: str | None, drops_first: bool, gone: bool) -> None:
    """Whatever a Job is like: done as planned, the world is one in which nothing is to be done, or one step nearer."""
    running = [] if gone else [FIRST]
    job = replace(JOB, suspended=suspended, outcome=outcome, ended=NOW if outcome else None)
    jobs, steps = [job], 0
    while (need := planned(running, jobs, left_behind(running, jobs), drops_first)) is not None:
        steps += 1
        assert steps <= 2
        match need:
            case MakeJob():
                jobs = [JOB]
            case RemoveJob():
                jobs = []
            case PauseJob(_, _, suspend):
                jobs = [replace(jobs[0], suspended=suspend)]
            case Close():
                running = []
