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
    """What a drop would do."""

    users_targeted: int
    lists_touched: int
    users_held_back: int = Field(description="users of the audience who are in the holdout")
    exact: bool
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
