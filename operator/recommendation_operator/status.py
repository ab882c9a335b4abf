"""Builds the status of a drop: conditions as metav1.Condition, numbers as they stand in the CRD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from recommendation_operator import reasons
from recommendation_operator.drop import ContentDrop
from recommendation_operator.records import RegenerationView
from recommendation_operator.times import format_time

CONDITION_TYPES = ("Accepted", "Progressing", "Succeeded", "Finished")
MAX_MESSAGE = 4096
"""Characters of a message; far below metav1.Condition's 32,768, and enough for 20 displaced games of 128."""


@dataclass(frozen=True)
class Verdict:
    """One state of a drop, from which all four conditions follow."""

    reason: str
    message: str
    progressing: bool = False
    succeeded: bool | None = None
    """None while it is not decided."""
    accepted: tuple[bool, str, str] | None = None
    """Status, reason, message of `Accepted`; None keeps what is stored."""

    def with_accepted(self, accepted: tuple[bool, str, str] | None) -> Verdict:
        return replace(self, accepted=accepted or self.accepted)

    @property
    def final(self) -> bool:
        return self.succeeded is not None


def build_status(drop: ContentDrop, verdict: Verdict, now: datetime, **numbers: Any) -> dict[str, Any]:
    """
    The drop's whole status after this verdict.

    Args:
        numbers: fields to set beside the conditions; None leaves the stored value.
    """
    status = dict(drop.status)
    status.update({name: value for name, value in numbers.items() if value is not None})
    status["observedGeneration"] = drop.generation
    status["conditions"] = [_condition(drop, kind, verdict, now) for kind in CONDITION_TYPES]
    if verdict.final:
        status["completionTime"] = format_time(now)
    return status


def acknowledged(drop: ContentDrop) -> dict[str, Any]:
    """The status of a finished drop: only the generation it was seen at may still change."""
    conditions = [dict(c) | {"observedGeneration": drop.generation} for c in drop.status["conditions"]]
    return dict(drop.status) | {"observedGeneration": drop.generation, "conditions": conditions}


def measured(drop: ContentDrop, regeneration: RegenerationView) -> dict[str, Any]:
    """The numbers of a regeneration; progress moves in steps of a tenth, so that writes stay few."""
    return {
        "regeneration": regeneration.id,
        "modelVersion": regeneration.model_version,
        "usersTargeted": regeneration.users_targeted,
        "usersRegenerated": _progress(drop.status.get("usersRegenerated"), regeneration),
        "catalogueCoverageBefore": _ratio(regeneration.catalogue_coverage_before),
        "catalogueCoverageAfter": _ratio(regeneration.catalogue_coverage_after),
        "releaseCoverage": _ratio(regeneration.release_coverage),
    }


def _progress(stored: int | None, regeneration: RegenerationView) -> int:
    step = max(1, (regeneration.users_targeted or 0) // 10)
    if stored is None or not regeneration.running or regeneration.users_regenerated >= stored + step:
        return regeneration.users_regenerated
    return stored


def _ratio(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _condition(drop: ContentDrop, kind: str, verdict: Verdict, now: datetime) -> dict[str, Any]:
    stored = drop.condition(kind)
    status, reason, message = _stand(kind, verdict, stored)
    unchanged = stored.get("status") == status
    return {
        "type": kind,
        "status": status,
        "observedGeneration": drop.generation,
        "lastTransitionTime": stored["lastTransitionTime"] if unchanged else format_time(now),
        "reason": reason,
        "message": message[:MAX_MESSAGE],
    }


def _stand(kind: str, verdict: Verdict, stored: Mapping[str, Any]) -> tuple[str, str, str]:
    if kind == "Accepted":
        return _accepted(verdict, stored)
    if kind == "Progressing":
        return str(verdict.progressing), verdict.reason, verdict.message
    if kind == "Succeeded":
        outcome = "Unknown" if verdict.succeeded is None else str(verdict.succeeded)
        return outcome, verdict.reason, verdict.message
    return (
        ("True", verdict.reason, verdict.message) if verdict.final else ("False", reasons.IN_PROGRESS, "not ended yet")
    )


def _accepted(verdict: Verdict, stored: Mapping[str, Any]) -> tuple[str, str, str]:
    if verdict.accepted is not None:
        accepted, reason, message = verdict.accepted
        return str(accepted), reason, message
    if stored:
        return stored["status"], stored["reason"], stored["message"]
    return "Unknown", reasons.PENDING, "the service has not been told of this drop yet"
