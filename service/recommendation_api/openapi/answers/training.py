"""Answers about training runs and model versions."""

from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from recommendation_api.openapi.schemas import Moment


class RunOut(BaseModel):
    """A training run."""

    run_id: str
    state: Literal["queued", "running", "succeeded", "rejected", "failed"]
    reason: str | None
    detail: str | None
    queued_at: Moment
    started_at: Moment | None
    stop_requested_at: Moment | None = Field(description="someone asked to stop it: it ends before its next stage")
    finished_at: Moment | None
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
    created_at: Moment
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
