"""What the service and the cluster say, as facts that `plan` can be given in a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recommendation_operator import names
from recommendation_operator.times import parse_time


@dataclass(frozen=True)
class Registration:
    """The answer to `PUT /drops/{uid}`."""

    unknown_similar: tuple[str, ...] = ()
    model_age_seconds: float | None = None
    """None: there is no live model."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Registration:
        model = body.get("live_model")
        return cls(tuple(body.get("unknown_similar", ())), model["age_seconds"] if model else None)


@dataclass(frozen=True)
class Preview:
    """The answer to `POST /drops/{uid}/preview`."""

    users_targeted: int
    lists_touched: int
    displaced: tuple[tuple[str, int], ...] = ()
    """Games that would lose places, and in how many lists each."""
    unknown_similar: tuple[str, ...] = ()
    users_held_back: int = 0
    between: tuple[int, int] | None = None
    """The 95 % interval of `lists_touched` where it was reckoned from some users; None: counted."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Preview:
        low, high = body.get("lists_touched_low"), body.get("lists_touched_high")
        return cls(
            body["users_targeted"],
            body["lists_touched"],
            tuple((row["game_id"], row["lists"]) for row in body.get("displaced", ())),
            tuple(body.get("unknown_similar", ())),
            body.get("users_held_back", 0),
            None if body.get("exact", True) or low is None or high is None else (low, high),
        )


@dataclass(frozen=True)
class LiftView:
    """What the service measured of a drop with a holdout; numbers are of one user, None while too few count."""

    state: str
    """`Collecting`, `Significant`, `NoEffect` or `TooFewUsers`."""
    exposed: int
    """Users who were shown a list while the drop stood, of both groups."""
    placed: int
    held_back: int
    """Users who count, in each group: their window is over."""
    window_days: int
    """How long after the first list a user's purchases count."""
    difference: float | None
    """Purchases of the drop's games by a user with its places, less those of one without."""
    low: float | None
    high: float | None
    """The ends of its interval, which is right at every look."""
    lacks_users: bool
    """Whether chance alone would rarely make the groups so unequal."""
    counted_until: datetime
    last_look_at: datetime
    """When the window of the last user is over."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> LiftView:
        placed, held_back = body["placed"], body["held_back"]
        return cls(
            state=body["state"],
            exposed=placed["exposed"] + held_back["exposed"],
            placed=placed["counted"],
            held_back=held_back["counted"],
            window_days=body["window_days"],
            difference=body["difference"],
            low=body["low"],
            high=body["high"],
            lacks_users=body["sample_ratio"]["mismatch"],
            counted_until=parse_time(body["counted_until"]),
            last_look_at=parse_time(body["last_look_at"]),
        )


@dataclass(frozen=True)
class TrainingRunView:
    """A training run, as the service answers about it."""

    run_id: str
    state: str
    reason: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in ("queued", "running")

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> TrainingRunView:
        return cls(body["run_id"], body["state"], body.get("reason"))


@dataclass(frozen=True)
class RegenerationView:
    """The numbers of a regeneration, of a drop or of everyone, that decisions and a drop's status need."""

    id: str
    state: str
    shards: int
    model_version: str | None = None
    users_targeted: int | None = None
    users_regenerated: int = 0
    users_overtaken: int = 0
    """Users whose lists have a higher number: written by others since, and not replaced."""
    overtaken_by: str | None = None
    """Whose lists those are, in words; while it runs, who has written any since."""
    replaced_by: str | None = None
    """The drop's next regeneration, where this one ended for it."""
    failed_shards: tuple[int, ...] = ()
    catalogue_coverage_before: float | None = None
    catalogue_coverage_after: float | None = None
    release_coverage: float | None = None
    drop_uid: str | None = None
    """None: it is for everyone."""
    worked_on_by: str | None = None
    """`jobs`: those that the operator makes."""

    @property
    def running(self) -> bool:
        """Whether lists are still to be made."""
        return self.state == "running"

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> RegenerationView:
        return cls(
            id=body["id"],
            state=body["state"],
            shards=body["shards"],
            model_version=body.get("model_version"),
            users_targeted=body.get("users_targeted"),
            users_regenerated=body.get("users_regenerated") or 0,
            users_overtaken=body.get("users_overtaken") or 0,
            overtaken_by=_overtaking(body.get("overtaken_by")),
            replaced_by=body.get("replaced_by"),
            failed_shards=tuple(body.get("failed_shards") or ()),
            catalogue_coverage_before=body.get("catalogue_coverage_before"),
            catalogue_coverage_after=body.get("catalogue_coverage_after"),
            release_coverage=body.get("release_coverage"),
            drop_uid=body.get("drop_uid"),
            worked_on_by=body.get("worked_on_by"),
        )


def _overtaking(body: Mapping[str, Any] | None) -> str | None:
    return f"regeneration {body['regeneration_id']} by model {body['model_version']}" if body else None


@dataclass(frozen=True)
class JobView:
    """The little that decisions need of a batch/v1 Job."""

    name: str
    uid: str
    owner_uid: str | None = None
    regeneration: str | None = None
    suspended: bool = False
    deleting: bool = False
    outcome: str | None = None
    """`Complete`, `Failed`, or None while neither terminal condition is there: `SuccessCriteriaMet` and
    `FailureTarget` come earlier, when pods still run."""
    ended: datetime | None = None
    failed_indexes: str = ""
    waits_since: datetime | None = None
    """When it was started, while it has fewer pods at work than it wants."""
    has_all_pods: bool = True
    """Whether the pods that it wants exist, at work or not."""
    namespace: str = ""
    trains: bool = False
    """Whether it carries out a training run."""
    for_everyone: bool = False
    """Whether it makes lists for no drop."""

    @classmethod
    def from_object(cls, obj: Mapping[str, Any]) -> JobView:
        metadata, status = obj["metadata"], obj.get("status") or {}
        terminal = next((c for c in status.get("conditions", ()) if _terminal(c)), None)
        owner: Mapping[str, Any] = next((o for o in metadata.get("ownerReferences", ()) if o.get("controller")), {})
        is_paused = bool(obj["spec"].get("suspend", False))
        wanted = 0 if terminal or is_paused else _pods_wanted(obj["spec"], status)
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            owner_uid=owner.get("uid"),
            regeneration=metadata.get("annotations", {}).get(names.REGENERATION_ANNOTATION),
            suspended=is_paused,
            deleting="deletionTimestamp" in metadata,
            outcome=terminal["type"] if terminal else None,
            # A controller of one's own (`managedBy`) may leave the time out.
            ended=parse_time(terminal.get("lastTransitionTime") or metadata["creationTimestamp"]) if terminal else None,
            failed_indexes=status.get("failedIndexes", ""),
            waits_since=_started(status) if status.get("ready", 0) < wanted else None,
            namespace=metadata.get("namespace", ""),
            has_all_pods=status.get("active", 0) >= wanted,
            trains=names.RUN_LABEL in metadata.get("labels", {}),
            for_everyone=names.REGENERATION_LABEL in metadata.get("labels", {}),
        )


def _started(status: Mapping[str, Any]) -> datetime | None:
    started = status.get("startTime")
    return parse_time(started) if started else None


def _pods_wanted(spec: Mapping[str, Any], status: Mapping[str, Any]) -> int:
    failed = len(parse_intervals(status.get("failedIndexes", "")))
    left = int(spec.get("completions", 1) - status.get("succeeded", 0) - failed)
    return max(0, min(int(spec.get("parallelism", 1)), left))


def _terminal(condition: Mapping[str, Any]) -> bool:
    return condition["type"] in ("Complete", "Failed") and condition["status"] == "True"


def parse_intervals(text: str) -> tuple[int, ...]:
    """Read a Job's `failedIndexes`, such as `3,7-9`."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.extend(range(int(first), int(last or first) + 1))
    return tuple(found)


def format_intervals(numbers: Iterable[int]) -> str:
    """Write numbers as `parse_intervals` reads them."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
