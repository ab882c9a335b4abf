"""Every name the operator gives: API group, labels, Job names, retry keys. All are made from safe characters only."""

from __future__ import annotations

import hashlib
import re

GROUP = "recommendation.gamestore.dev"
VERSION = "v1alpha1"
PLURAL = "contentdrops"
KIND = "ContentDrop"

MADE_BY = f"{GROUP}/made-by"
MADE_BY_OPERATOR = "content-drop-operator"
"""Label and value of every Job the operator makes; the Job watch is narrowed to it."""
DROP_LABEL = f"{GROUP}/content-drop"
"""Label: uid of the drop a regeneration Job belongs to."""
RUN_LABEL = f"{GROUP}/training-run"
"""Label: the training run a training Job was made for."""
REGENERATION_LABEL = f"{GROUP}/regeneration"
"""Label: the regeneration that a Job was made for, where it is for no drop."""
REGENERATION_ANNOTATION = f"{GROUP}/regeneration"
"""Annotation: the regeneration that a Job's pods write to."""
MANUAL_ANNOTATION = "cronjob.kubernetes.io/instantiate"
"""What `kubectl create job --from=cronjob/...` sets to `manual`."""

_JOB_NAME = re.compile(r"content-drop-[0-9a-z]{1,20}-[0-9]{1,19}")
_SAFE_ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")


def regeneration_job_name(uid: str, generation: int) -> str:
    """
    Name the one Job of a drop: at most 52 characters, so that pod names and their host names stay legal.

    The generation is also legible at the end, because it must survive: `suspend` raises a drop's generation, and the
    work goes on under the one it was claimed at.
    """
    digest = hashlib.sha256(f"{uid}/{generation}".encode()).hexdigest()[:20]
    return f"content-drop-{digest}-{generation}"


def claimed_generation(job_name: str) -> int:
    """Read back the generation that `regeneration_job_name` was given."""
    return int(job_name.rpartition("-")[2])


def is_regeneration_job_name(text: str) -> bool:
    """Tell whether `claimed_generation` can read it."""
    return _JOB_NAME.fullmatch(text) is not None


def training_job_name(run_id: str) -> str:
    """Name the Job of a training run."""
    return f"train-{hashlib.sha256(run_id.encode()).hexdigest()[:20]}"


def everyones_job_name(regeneration_id: str) -> str:
    """Name the Job of a regeneration that is for no drop."""
    return f"regeneration-{hashlib.sha256(regeneration_id.encode()).hexdigest()[:20]}"


def event_name(uid: str, generation: int, reason: str) -> str:
    """Name an Event so that the same news told twice (by a restarted or a second operator) is one object."""
    return f"content-drop.{hashlib.sha256(f'{uid}/{generation}/{reason}'.encode()).hexdigest()[:20]}"


def idempotency_key(uid: str, generation: int, step: str) -> str:
    """Key of one call to the service; the same step of the same drop always has the same key."""
    return f"{uid}:{generation}:{step}"


def is_safe_id(text: str) -> bool:
    """Whether an id of the service may stand in a Job's arguments and labels: no blank, no `$`, no leading dash."""
    return _SAFE_ID.fullmatch(text) is not None
