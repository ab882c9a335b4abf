"""
Builds Jobs from templates that the chart owns; image, resources and tolerations stay Helm's.

Nothing that a user typed enters a Job: only the regeneration's id and the number of shards reach its arguments, only
uids its labels, so an id such as `--help` or `$(PATH)` cannot turn into an option or a variable.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from recommendation_operator import names
from recommendation_operator.drop import ContentDrop

Json = dict[str, Any]

RETRIES_PER_SHARD = 3
"""Retries of one shard before it counts as failed, where the template does not say."""
DO_NOT_RETRY = 42
"""Exit code of a shard that must not be tried again."""

KEPT_SECONDS = 24 * 3600
"""How long a Job stays after its end, where the template does not say."""

FAILURE_POLICY: Json = {
    "rules": [
        # `status` is required before Kubernetes 1.35: https://github.com/kubernetes/kubernetes/issues/131512
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [DO_NOT_RETRY]}},
    ]
}


def regeneration_job(template: Mapping[str, Any], drop: ContentDrop, regeneration_id: str) -> Json:
    """
    The one Indexed Job of a drop.

    Args:
        template: a batch/v1 Job manifest; its first container's `args` (or `command`) end in `regenerate`.
        regeneration_id: checked by `names.is_safe_id` before.
    """
    metadata = _metadata(template, drop.status["jobName"], {names.DROP_LABEL: drop.uid})
    metadata["ownerReferences"] = [_owner("ContentDrop", f"{names.GROUP}/{names.VERSION}", drop.name, drop.uid)]
    return _indexed(template, metadata, regeneration_id, drop.shards)


def everyones_job(
    template: Mapping[str, Any], cronjob: Mapping[str, Any] | None, regeneration_id: str, shards: int
) -> Json:
    """
    The one Indexed Job of a regeneration that is for no drop, such as the one after a training.

    Args:
        template: as of `regeneration_job`.
        cronjob: owns the Job, so that it goes with the release, and does not control it, as of `training_job`.
    """
    name = names.everyones_job_name(regeneration_id)
    metadata = _metadata(template, name, {names.REGENERATION_LABEL: regeneration_id})
    if cronjob is not None:
        owner = cronjob["metadata"]
        metadata["ownerReferences"] = [_owner("CronJob", "batch/v1", owner["name"], owner["uid"], controls=False)]
    return _indexed(template, metadata, regeneration_id, shards)


def _indexed(template: Mapping[str, Any], metadata: Json, regeneration_id: str, shards: int) -> Json:
    """The template with a pod for each shard."""
    job = copy.deepcopy(dict(template))
    job["metadata"] = metadata
    metadata["annotations"][names.REGENERATION_ANNOTATION] = regeneration_id
    spec = job["spec"]
    spec.update(
        completionMode="Indexed",
        completions=shards,
        parallelism=min(spec.get("parallelism") or shards, shards),
        podReplacementPolicy="Failed",  # two pods of one shard never write at the same time
        suspend=False,
    )
    spec.setdefault("ttlSecondsAfterFinished", KEPT_SECONDS)
    spec.setdefault("backoffLimitPerIndex", RETRIES_PER_SHARD)
    spec.setdefault("podFailurePolicy", FAILURE_POLICY)
    spec["template"]["spec"]["restartPolicy"] = "Never"
    _append_arguments(
        spec, ["--regeneration", regeneration_id, "--shard", "$(JOB_COMPLETION_INDEX)", "--shards", str(shards)]
    )
    return job


def training_job(cronjob: Mapping[str, Any], run_id: str) -> Json:
    """
    A Job for one queued training run, of the CronJob's template.

    The CronJob owns it, so it goes with it, but does not control it: its controller warns of every Job that it controls
    and did not make (`UnexpectedJob`), and counts it for neither `Forbid` nor the history limits. The training lock is
    what lets one training run at a time, and the TTL what removes a Job that ended.
    """
    template = copy.deepcopy(cronjob["spec"]["jobTemplate"])
    metadata = _metadata(template, names.training_job_name(run_id), {names.RUN_LABEL: run_id})
    metadata["annotations"][names.MANUAL_ANNOTATION] = "manual"
    owner = cronjob["metadata"]
    metadata["ownerReferences"] = [_owner("CronJob", "batch/v1", owner["name"], owner["uid"], controls=False)]
    template["spec"].setdefault("ttlSecondsAfterFinished", KEPT_SECONDS)
    _append_arguments(template["spec"], ["--run", run_id])
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def _metadata(template: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> Json:
    given = template.get("metadata") or {}
    return {
        "name": name,
        "labels": dict(given.get("labels") or {}) | {names.MADE_BY: names.MADE_BY_OPERATOR} | dict(labels),
        "annotations": dict(given.get("annotations") or {}),
    }


def _owner(kind: str, api_version: str, name: str, uid: str, controls: bool = True) -> Json:
    # Without blockOwnerDeletion: it would need rights on the owner's finalizers, and deletion must not wait for a Job.
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": controls}


def _append_arguments(spec: Json, arguments: list[str]) -> None:
    container = spec["template"]["spec"]["containers"][0]
    container["args"] = [*(container.get("args") or []), *arguments]
