"""The Jobs the operator makes, and the names it gives."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import kubernetes_validate
import pytest
from fake_schema import admit_job
from hypothesis import given
from hypothesis import strategies as st
from world import CRONJOB, TEMPLATE

from recommendation_operator import names
from recommendation_operator.drop import ContentDrop
from recommendation_operator.jobs import everyones_job, regeneration_job, training_job
from recommendation_operator.records import JobView, TrainingRunView, format_intervals, parse_intervals
from recommendation_operator.training import CreateTrainingJob, DeleteTrainingJob, plan_training

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DROP = ContentDrop(
    uid="6c0d3f5e-52a3-4a35-8a0a-0f5f6f3d7f10",
    name="autumn-release",
    namespace="shop",
    generation=1,
    resource_version="7",
    created=NOW,
    spec={"shards": 4},
    status={"jobName": names.regeneration_job_name("6c0d3f5e-52a3-4a35-8a0a-0f5f6f3d7f10", 1)},
)
CRON: dict[str, Any] = CRONJOB | {"metadata": {"name": "training", "uid": "cron-uid"}}


def test_the_job_of_a_drop_is_indexed_and_careful() -> None:
    job = regeneration_job(TEMPLATE, DROP, "r-1")
    assert job["metadata"] == {
        "name": DROP.status["jobName"],
        "labels": {
            "app.kubernetes.io/component": "regeneration",
            "recommendation.gamestore.dev/made-by": "content-drop-operator",
            "recommendation.gamestore.dev/content-drop": DROP.uid,
        },
        "annotations": {"recommendation.gamestore.dev/regeneration": "r-1"},
        "ownerReferences": [
            {
                "apiVersion": "recommendation.gamestore.dev/v1alpha1",
                "kind": "ContentDrop",
                "name": "autumn-release",
                "uid": DROP.uid,
                "controller": True,
            }
        ],
    }
    assert {name: value for name, value in job["spec"].items() if name != "template"} == {
        "completionMode": "Indexed",
        "completions": 4,
        "parallelism": 4,
        "backoffLimitPerIndex": 3,
        "podReplacementPolicy": "Failed",
        "suspend": False,
        "ttlSecondsAfterFinished": 24 * 3600,
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [42]}},
            ]
        },
    }


def test_the_job_of_everyone_is_as_careful_and_goes_with_the_release() -> None:
    of_drop, job = regeneration_job(TEMPLATE, DROP, "r-1"), everyones_job(TEMPLATE, CRON, "r-1", 4)
    assert job["spec"] == of_drop["spec"]
    assert job["metadata"] == {
        "name": names.everyones_job_name("r-1"),
        "labels": {
            "app.kubernetes.io/component": "regeneration",
            "recommendation.gamestore.dev/made-by": "content-drop-operator",
            "recommendation.gamestore.dev/regeneration": "r-1",
        },
        "annotations": {"recommendation.gamestore.dev/regeneration": "r-1"},
        "ownerReferences": [
            {"apiVersion": "batch/v1", "kind": "CronJob", "name": "training", "uid": "cron-uid", "controller": False}
        ],
    }
    assert "ownerReferences" not in everyones_job(TEMPLATE, None, "r-1", 4)["metadata"]
    assert JobView.from_object(job | {"metadata": job["metadata"] | {"uid": "u"}}).for_everyone
    assert len(job["metadata"]["name"]) <= 52
    limited = {"kind": "Job", "metadata": {}, "spec": TEMPLATE["spec"] | {"parallelism": 3}}
    assert everyones_job(limited, CRON, "r-1", 64)["spec"]["parallelism"] == 3


@pytest.mark.parametrize("version", ["1.31", "1.34", "1.37"])
def test_every_supported_kubernetes_takes_the_jobs(version: str) -> None:
    everyones = everyones_job(TEMPLATE, CRON, "r-1", 64)
    for job in (regeneration_job(TEMPLATE, DROP, "r-1"), everyones, training_job(CRON, "run-1")):
        kubernetes_validate.validate(job, version, strict=True)
        admit_job(job, None)


def test_the_template_decides_what_is_the_charts() -> None:
    template = {"kind": "Job", "metadata": {}, "spec": TEMPLATE["spec"] | {"parallelism": 2, "backoffLimitPerIndex": 9}}
    spec = regeneration_job(template, DROP, "r-1")["spec"]
    assert (spec["parallelism"], spec["completions"], spec["backoffLimitPerIndex"]) == (2, 4, 9)
    assert "completions" not in template["spec"]  # the template itself stays as it was


@given(st.text(min_size=1, max_size=300), st.integers(1, 2**31))
def test_job_names_are_short_legal_and_tell_the_generation(uid: str, generation: int) -> None:
    name = names.regeneration_job_name(uid, generation)
    assert len(name) <= 52
    assert name.replace("-", "").isalnum()
    assert name == name.lower()
    assert names.claimed_generation(name) == generation
    assert name != names.regeneration_job_name(uid, generation + 1)


@given(st.sets(st.integers(0, 63)))
def test_failed_indexes_are_read_as_they_are_written(indexes: set[int]) -> None:
    assert parse_intervals(format_intervals(indexes)) == tuple(sorted(indexes))


def test_failed_indexes_are_intervals() -> None:
    assert format_intervals([9, 3, 7, 8]) == "3,7-9"


@pytest.mark.parametrize("text", ["", "-x", "--help", "$(X)", "a b", "a/b", "x" * 64, "a\n"])
def test_an_id_that_could_be_more_than_an_id_enters_no_job(text: str) -> None:
    assert not names.is_safe_id(text)
    assert plan_training([TrainingRunView(text, "queued")], {}, NOW) == []


def test_a_job_ends_with_its_terminal_condition_only() -> None:
    job = regeneration_job(TEMPLATE, DROP, "r-1")
    job["metadata"]["uid"] = "job-uid"
    for early, late in (("SuccessCriteriaMet", "Complete"), ("FailureTarget", "Failed")):
        conditions = [{"type": early, "status": "True", "lastTransitionTime": "2026-11-22T12:00:00Z"}]
        assert JobView.from_object(job | {"status": {"conditions": conditions}}).outcome is None
        conditions.append(conditions[0] | {"type": late})
        view = JobView.from_object(job | {"status": {"conditions": conditions}})
        assert (view.outcome, view.ended) == (late, NOW)


RUN = TrainingRunView("run-1", "queued")
JOB = JobView(names.training_job_name("run-1"), "job-uid")


@pytest.mark.parametrize(
    ("job", "wanted"),
    [
        (None, [CreateTrainingJob("run-1")]),
        (JOB, []),
        (dataclasses.replace(JOB, outcome="Complete", ended=NOW - timedelta(seconds=59)), []),
        (
            dataclasses.replace(JOB, outcome="Complete", ended=NOW - timedelta(seconds=61)),
            [DeleteTrainingJob(JOB.name, "job-uid")],
        ),
        (dataclasses.replace(JOB, outcome="Failed", ended=NOW - timedelta(days=1), deleting=True), []),
    ],
)
def test_a_queued_run_has_one_job_until_that_ended_in_vain(job: JobView | None, wanted: list[Any]) -> None:
    assert plan_training([RUN], {job.name: job} if job else {}, NOW) == wanted


def test_runs_that_are_not_queued_need_no_job() -> None:
    assert plan_training([TrainingRunView("run-1", "running"), TrainingRunView("run-2", "succeeded")], {}, NOW) == []
