"""
What keeps a Job's pods from running, in the cluster's own words.

A Job says nothing of it: where a quota refuses its pods, only Events tell; where no node has room, only the pods do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from recommendation_operator.times import parse_time

Object = Mapping[str, Any]


def hindrance(pods: Iterable[Object], events: Iterable[Object], now: datetime, patience: timedelta) -> str | None:
    """
    Say what has kept pods from running for some time.

    Args:
        pods: those that the Job has.
        events: warnings about the Job; of the last hour, as clusters keep them.
        patience: what is younger is a pod that starts.
    """
    refusals = sorted((_event_time(event), event["message"]) for event in events if event["reason"] == "FailedCreate")
    if refusals and now - refusals[0][0] >= patience:
        return str(refusals[-1][1])
    waits = (words for pod in pods for since, words in _waits(pod) if now - since >= patience)
    return next(waits, None)


def _waits(pod: Object) -> Iterator[tuple[datetime, str]]:
    """Since when a pod waits, and what for: a node, or what a container needs."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            since = condition.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]
            yield parse_time(since), _words(condition)
    for container in status.get("containerStatuses") or ():
        if waiting := (container.get("state") or {}).get("waiting"):
            yield parse_time(pod["metadata"]["creationTimestamp"]), _words(waiting)


def _words(told: Object) -> str:
    return ": ".join(filter(None, (told.get("reason"), told.get("message")))) or "no reason is given"


def _event_time(event: Object) -> datetime:
    """When it was first told; a newer kind of Event has another field for it."""
    told = event.get("firstTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return parse_time(told)
