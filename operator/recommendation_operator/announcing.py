"""Events: what `kubectl describe contentdrop` shows, one for each change of a drop's reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from recommendation_operator import names, reasons
from recommendation_operator.drop import ContentDrop
from recommendation_operator.times import format_time

MAX_NOTE = 1024
"""Characters that the API server accepts in an Event's message."""


def news(drop: ContentDrop, status: Mapping[str, Any], now: datetime) -> dict[str, Any] | None:
    """The Event for a status about to be written; None where the reason stays the same."""
    summary = next(c for c in status["conditions"] if c["type"] == "Succeeded")
    if summary["reason"] == drop.condition("Succeeded").get("reason"):
        return None
    at = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": names.event_name(drop.uid, drop.generation, summary["reason"]),
            "namespace": drop.namespace,
        },
        "involvedObject": {
            "apiVersion": f"{names.GROUP}/{names.VERSION}",
            "kind": names.KIND,
            "name": drop.name,
            "namespace": drop.namespace,
            "uid": drop.uid,
            "resourceVersion": drop.resource_version,
        },
        "type": "Warning" if _bad(summary["reason"]) else "Normal",
        "reason": summary["reason"],
        "message": summary["message"][:MAX_NOTE],
        "source": {"component": names.MADE_BY_OPERATOR},
        "reportingComponent": f"{names.GROUP}/{names.MADE_BY_OPERATOR}",
        "reportingInstance": names.MADE_BY_OPERATOR,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def _bad(reason: str) -> bool:
    return reason in (*reasons.FAILURES, reasons.SERVICE_UNAVAILABLE, reasons.CLUSTER_UNAVAILABLE)
