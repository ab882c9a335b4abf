"""What the OpenAPI document says of answers. Nothing is checked by it: `rendering` and the routes write them."""

from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue

from recommendation_api.schemas import PROBLEMS


def answer(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that answers so, or with a problem."""
    return {**PROBLEMS, status: {"model": model}}


class RejectedOut(BaseModel):
    """A row that was not taken."""

    index: int
    code: str
    detail: str


class BatchOut(BaseModel):
    """What became of a batch."""

    accepted: int
    duplicates: int
    rejected: list[RejectedOut]


class ListBatchOut(BatchOut):
    """What became of recommendations of the shop's own."""

    new_games: list[str] = Field(description="games that nobody had heard of before, and that are known from now on")


class ReasonOut(BaseModel):
    """Why a game is listed."""

    code: str
    text: str
    because: str | None


class ItemOut(BaseModel):
    """One place of a list."""

    game_id: str
    rank: int
    score: float
    source: str
    reason: ReasonOut
    model_version: str | None
    generated_at: str | None
    expires_at: str | None


class ListOut(BaseModel):
    """A page of a user's list."""

    user_id: str
    items: list[ItemOut]
    next_cursor: str | None
    model_version: str | None
    generated_at: str | None
    personal: bool


class RunOut(BaseModel):
    """A training run."""

    run_id: str
    state: Literal["queued", "running", "succeeded", "rejected", "failed"]
    reason: str | None
    detail: str | None
    queued_at: str
    started_at: str | None
    finished_at: str | None
    duration_seconds: float | None
    users: int | None
    games: int | None
    pairs: int | None
    components: int | None
    quality: dict[str, JsonValue] | None
    model_version: str | None


class RunsOut(BaseModel):
    """Training runs, newest first."""

    runs: list[RunOut]


class ModelOut(BaseModel):
    """A model version that is kept."""

    version: str
    number: int
    run_id: str
    created_at: str
    sha256: str
    format: int
    bytes: int
    users: int
    games: int
    pairs: int
    components: int
    settings: dict[str, JsonValue]
    quality: dict[str, JsonValue]
    live: bool
    list_share: float


class ModelsOut(BaseModel):
    """Model versions, newest first."""

    live: str | None
    models: list[ModelOut]


class PromotedOut(BaseModel):
    """A change of the live version."""

    live: str
    before: str | None
    regeneration_id: str | None


class PlacementOut(BaseModel):
    """Where a drop's games stand."""

    slots: int
    first_position: int


class DropOut(BaseModel):
    """A drop."""

    uid: str
    name: str
    generation: int
    state: Literal["scheduled", "standing", "ended"]
    games: list[str]
    release_time: str
    ends_at: str
    placement: PlacementOut


class LiveModelOut(BaseModel):
    """The live version and its age."""

    version: str
    age_seconds: float


class DropTakenOut(DropOut):
    """A drop that was made known, and what the operator decides by."""

    unknown_similar: list[str]
    live_model: LiveModelOut | None
    now: str


class DropsOut(BaseModel):
    """Drops, in the order in which they are served."""

    drops: list[DropOut]


class DisplacedOut(BaseModel):
    """A game that a drop pushes down."""

    game_id: str
    lists: int


class PreviewOut(BaseModel):
    """What a drop would do."""

    users_targeted: int
    lists_touched: int
    exact: bool
    displaced: list[DisplacedOut]
    unknown_similar: list[str]


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
    users_failed: int
    catalogue_coverage_before: float | None
    catalogue_coverage_after: float | None
    release_coverage: float | None
    active_since: str | None
    started_at: str
    finished_at: str | None


class RegenerationsOut(BaseModel):
    """Regenerations, newest first."""

    regenerations: list[RegenerationOut]


class PopularItemOut(BaseModel):
    """A game that many play."""

    rank: int
    game_id: str
    title: str | None
    users: int


class PopularOut(BaseModel):
    """Games by distinct users."""

    items: list[PopularItemOut]


class SimilarItemOut(BaseModel):
    """A near game; `score` is the cosine of the factors."""

    rank: int
    game_id: str
    title: str | None
    score: float


class SimilarOut(BaseModel):
    """The nearest games."""

    game_id: str
    in_model: bool
    items: list[SimilarItemOut]
    model_version: str


class ContributionOut(BaseModel):
    """What one of the user's games adds to a score."""

    game_id: str
    title: str | None
    contribution: float


class WhyOut(BaseModel):
    """Why a game is in a user's list, or why not; the contributions sum to the score."""

    user_id: str
    game_id: str
    shown: bool
    code: str
    text: str
    rank: int | None
    source: str | None
    score: float | None
    contributions: list[ContributionOut]
    model_version: str | None


class ListedGameOut(BaseModel):
    """A game, and in how many top tens it stands."""

    game_id: str
    title: str | None
    lists: int


class CoverageOut(BaseModel):
    """What everyone's lists cover, and how evenly games share them."""

    regeneration_id: str | None
    finished_at: str | None
    catalogue_coverage: float | None
    user_coverage: float | None
    games_available: int
    games_listed: int
    places: int
    gini: float
    share_of_top: float
    most_listed: list[ListedGameOut]


class ErasedOut(BaseModel):
    """How many rows went from each table."""

    erased: dict[str, int]


class ExportOut(BaseModel):
    """Everything that is kept of a person."""

    user_id: str
    interactions: list[dict[str, JsonValue]]
    feedback: list[dict[str, JsonValue]]
    lists: list[dict[str, JsonValue]]
    announcements: list[dict[str, JsonValue]]


class SettingsOut(BaseModel):
    """Weights and settings in force."""

    weights: dict[str, float]
    owning_events: list[str]
    settings: dict[str, JsonValue]
