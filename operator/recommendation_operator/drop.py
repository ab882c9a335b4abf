"""
A ContentDrop as facts: parsed once from the API's object, never changed.

Any object that the API server admits becomes a ContentDrop, whatever is in it: what cannot be read is its `flaw`, and
no reason to read no other drop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from recommendation_operator import names
from recommendation_operator.times import is_time, parse_time

Json = dict[str, Any]


@dataclass(frozen=True)
class ContentDrop:
    uid: str
    name: str
    namespace: str
    generation: int
    resource_version: str
    created: datetime
    spec: Mapping[str, Any] = field(repr=False)
    status: Mapping[str, Any] = field(repr=False)
    deleting: bool = False
    flaw: str | None = None
    """What of the spec cannot be read, and why; nothing is done for such a drop."""

    @classmethod
    def from_object(cls, obj: Mapping[str, Any]) -> ContentDrop:
        metadata = obj["metadata"]
        drop = cls(
            uid=metadata["uid"],
            name=metadata["name"],
            namespace=metadata["namespace"],
            generation=metadata["generation"],
            resource_version=metadata["resourceVersion"],
            created=parse_time(metadata["creationTimestamp"]),
            spec=obj.get("spec") or {},
            status=_believed(obj.get("status") or {}),
            deleting="deletionTimestamp" in metadata,
        )
        return replace(drop, flaw=_flaw(drop))

    @property
    def release(self) -> datetime | None:
        text = self.spec.get("releaseTime")
        return parse_time(text) if text and self.flaw is None else None

    @property
    def due(self) -> datetime:
        """When the drop's turn may come at the earliest; drops are served in this order."""
        return self.release or self.created

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        return (self.due, self.created, self.uid)

    @property
    def suspended(self) -> bool:
        return bool(self.spec.get("suspend", False))

    @property
    def dry_run(self) -> bool:
        return bool(self.spec.get("dryRun", False))

    @property
    def holdout_percent(self) -> int | None:
        """Percent of the users whose lists hold no place of the drop; None: of none."""
        holdout = self.spec.get("holdout")
        return int(holdout["percent"]) if holdout else None

    @property
    def shards(self) -> int:
        return int(self.spec["shards"])

    @property
    def claimed(self) -> bool:
        """Whether the drop's turn has come: its Job's name is settled, its Job and calls may exist."""
        return "jobName" in self.status

    def condition(self, kind: str) -> Mapping[str, Any]:
        """The stored condition of this type; an empty mapping where there is none yet."""
        for condition in self.status.get("conditions", []):
            if condition["type"] == kind:
                return dict(condition)
        return {}

    def is_true(self, kind: str) -> bool:
        return self.condition(kind).get("status") == "True"

    @property
    def finished(self) -> bool:
        return self.is_true("Finished")


def is_lift(value: object) -> bool:
    """Tell whether a stored lift says when it was measured, and until when it is."""
    times = [value.get(name) for name in ("measuredTime", "lastLookTime")] if isinstance(value, Mapping) else [None]
    return all(isinstance(text, str) and is_time(text) for text in times)


_WRITTEN_BY_US = {
    "jobName": names.is_regeneration_job_name,
    "regeneration": names.is_safe_id,
    "trainingRun": names.is_safe_id,
    "startTime": is_time,
    "lift": is_lift,
}


def _believed(status: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what no operator has written: someone with rights on the status may have put anything there."""
    return {name: value for name, value in status.items() if name not in _WRITTEN_BY_US or _WRITTEN_BY_US[name](value)}


def _flaw(drop: ContentDrop) -> str | None:
    """Read once all that will be read later, and say what cannot be."""
    try:
        _ = drop.release
    except ValueError as error:
        return f"spec.releaseTime cannot be read: {error}; write it like 2026-11-25T18:00:00Z"
    try:
        _ = (registration_body(drop), audience_body(drop), drop.shards, drop.spec["retrain"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"spec cannot be read ({type(error).__name__}: {error}); delete the drop and apply it again"
    return None


def registration_body(drop: ContentDrop) -> Json:
    """What `PUT /drops/{uid}` is told; optional fields are left out rather than sent empty."""
    placement = drop.spec["placement"]
    body: Json = {
        "name": drop.name,
        "generation": drop.generation,
        "games": [_game(game) for game in drop.spec["games"]],
        "created_at": drop.created.isoformat(),
        "placement": {
            "slots": placement["slots"],
            "first_position": placement["firstPosition"],
            "duration_days": placement["durationDays"],
        },
    }
    if drop.release is not None:
        body["release_time"] = drop.release.isoformat()
    if drop.holdout_percent is not None:
        body["holdout"] = {"percent": drop.holdout_percent}
    return body


def audience_body(drop: ContentDrop) -> Json:
    """The audience as the service spells it; empty means everyone."""
    days = (drop.spec.get("audience") or {}).get("activeWithinDays")
    return {} if days is None else {"active_within_days": days}


def _game(game: Mapping[str, Any]) -> Json:
    spelling = {"title": "title", "similarTo": "similar_to", "tags": "tags"}
    return {"game_id": game["id"]} | {theirs: game[ours] for ours, theirs in spelling.items() if ours in game}
