"""Events: what `kubectl describe contentdrop` shows, one for each change of a drop's reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from recommendation_operator import names, reasons
from recommendation_operator.drop import ContentDrop
from recommendation_operator.records import JobView
from recommendation_operator.times import format_time

MAX_NOTE = 1024
"""Characters that the API server accepts in an Event's message."""


def news(drop: ContentDrop, status: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    """The Events for a status about to be written: one for each new reason of `Accepted`, then of `Succeeded`."""
    conditions = {condition["type"]: condition for condition in status["conditions"]}
    told: dict[str, str] = {}
    for kind in ("Accepted", "Succeeded"):
        found = conditions.get(kind, {})
        if found.get("reason", reasons.PENDING) not in (reasons.PENDING, drop.condition(kind).get("reason")):
            told[found["reason"]] = found["message"]
    involved = {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": names.KIND,
        "name": drop.name,
        "namespace": drop.namespace,
        "uid": drop.uid,
        "resourceVersion": drop.resource_version,
    }
    return [_event(involved, drop.generation, reason, message, now) for reason, message in told.items()]


def about_job(job: JobView, hindrance: str, now: datetime) -> dict[str, Any]:
    """The Event for a Job that is for no drop, and whose pod is not running."""
    involved = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": job.name,
        "namespace": job.namespace,
        "uid": job.uid,
    }
    return _event(involved, 1, reasons.PODS_WAITING, hindrance, now)


def _event(involved: dict[str, Any], generation: int, reason: str, message: str, now: datetime) -> dict[str, Any]:
    at = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": names.event_name(involved["uid"], generation, reason),
            "namespace": involved["namespace"],
        },
        "involvedObject": involved,
        "type": "Warning" if _bad(reason) else "Normal",
        "reason": reason,
        "message": message[:MAX_NOTE],
        "source": {"component": names.MADE_BY_OPERATOR},
        "reportingComponent": f"{names.GROUP}/{names.MADE_BY_OPERATOR}",
        "reportingInstance": names.MADE_BY_OPERATOR,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def _bad(reason: str) -> bool:
    return reason in (*reasons.FAILURES, *reasons.TROUBLES)
