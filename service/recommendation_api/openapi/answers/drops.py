"""Answers about drops and regenerations."""

from typing import Literal

from pydantic import BaseModel, Field

from recommendation_api.openapi.schemas import Moment


class PlacementOut(BaseModel):
    """Where a drop's games stand."""

    slots: int
    first_position: int


class HoldoutOut(BaseModel):
    """Users whose lists hold no place of a drop."""

    percent: int


class DropOut(BaseModel):
    """A drop."""

    uid: str
    name: str
    generation: int
    state: Literal["scheduled", "standing", "ended"]
    games: list[str]
    release_time: Moment
    ends_at: Moment
    created_at: Moment
    ended_at: Moment | None = Field(description="when it was ended before its time")
    placement: PlacementOut
    holdout: HoldoutOut | None


class LiveModelOut(BaseModel):
    """The live version and its age."""

    version: str
    age_seconds: float


class DropTakenOut(DropOut):
    """A drop that was made known, and what the operator decides by."""

    unknown_similar: list[str]
    live_model: LiveModelOut | None
    now: Moment


class DropFeedbackOut(BaseModel):
    """What users did with a drop's games as games of a drop, since its release."""

    clicked: int
    wishlisted: int
    purchased: int
    dismissed: int


class ReachedOut(BaseModel):
    """How many lists were remade by when."""

    at: Moment
    users: int


class DropDayOut(DropFeedbackOut):
    """The same, on one day (UTC)."""

    day: str = Field(json_schema_extra={"format": "date"})


class ReachOut(BaseModel):
    """How a drop reached its users; without a regeneration there are no `points`."""

    regeneration_id: str | None
    users_targeted: int | None
    points: list[ReachedOut]
    days: list[DropDayOut]


class DropListedOut(DropOut):
    """A drop that stands or waits."""

    feedback: DropFeedbackOut | None = None


class DropsOut(BaseModel):
    """Drops, in the order in which they are served."""

    drops: list[DropListedOut]


class DisplacedOut(BaseModel):
    """A game that a drop pushes down."""

    game_id: str
    lists: int


class PreviewOut(BaseModel):
    """What a drop would do, reckoned from the lists of some of its users where there are many."""

    users_targeted: int
    users_ranked: int = Field(description="users whose lists were ranked for this; about 1000 of a larger audience")
    lists_touched: int
    lists_touched_low: int = Field(description="from here ...")
    lists_touched_high: int = Field(description="... to here is the 95 % interval; one number where `exact`")
    users_held_back: int = Field(description="users of the audience who are in the holdout")
    exact: bool = Field(description="whether every user of the audience was ranked")
    displaced: list[DisplacedOut]
    unknown_similar: list[str]


class OvertakingOut(BaseModel):
    """The regeneration whose lists stand in the place of another's, and its model."""

    regeneration_id: str
    model_version: str


class RegenerationOut(BaseModel):
    """A regeneration, as far as it is."""

    id: str
    state: Literal["running", "succeeded", "failed"]
    drop_uid: str | None
    shards: int
    shards_done: int
    failed_shards: list[int]
    model_version: str
    users_targeted: int
    users_regenerated: int
    users_personal: int
    users_overtaken: int
    overtaken_by: OvertakingOut | None
    replaced_by: str | None
    users_failed: int
    catalogue_coverage_before: float | None
    catalogue_coverage_after: float | None
    release_coverage: float | None
    worked_on_by: Literal["service", "jobs", "command"] | None
    active_since: Moment | None
    started_at: Moment
    finished_at: Moment | None


class RegenerationsOut(BaseModel):
    """Regenerations, newest first."""

    regenerations: list[RegenerationOut]
