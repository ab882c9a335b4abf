"""A ContentDrop as facts: parsed once from the API's object, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recommendation_operator.times import parse_time

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

    @classmethod
    def from_object(cls, obj: Mapping[str, Any]) -> ContentDrop:
        metadata = obj["metadata"]
        return cls(
            uid=metadata["uid"],
            name=metadata["name"],
            namespace=metadata["namespace"],
            generation=metadata["generation"],
            resource_version=metadata["resourceVersion"],
            created=parse_time(metadata["creationTimestamp"]),
            spec=obj["spec"],
            status=obj.get("status") or {},
            deleting="deletionTimestamp" in metadata,
        )

    @property
    def release(self) -> datetime | None:
        text = self.spec.get("releaseTime")
        return parse_time(text) if text else None

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
    return body


def audience_body(drop: ContentDrop) -> Json:
    """The audience as the service spells it; empty means everyone."""
    days = (drop.spec.get("audience") or {}).get("activeWithinDays")
    return {} if days is None else {"active_within_days": days}


def _game(game: Mapping[str, Any]) -> Json:
    spelling = {"title": "title", "similarTo": "similar_to", "tags": "tags"}
    return {"game_id": game["id"]} | {theirs: game[ours] for ours, theirs in spelling.items() if ours in game}
