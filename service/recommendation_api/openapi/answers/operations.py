"""Answers about a person's data, coverage and settings."""

from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from recommendation_api.openapi.schemas import Moment


class StatusOut(BaseModel):
    """It is alive, or ready."""

    status: Literal["alive", "ready"]


class ListedGameOut(BaseModel):
    """A game, and in how many top tens it stands."""

    game_id: str
    title: str | None
    lists: int


class CoverageOut(BaseModel):
    """What everyone's lists cover, and how evenly games share them."""

    regeneration_id: str | None
    finished_at: Moment | None
    catalogue_coverage: float | None
    user_coverage: float | None
    games_available: int
    games_listed: int
    places: int
    gini: float
    share_of_top: float
    most_listed: list[ListedGameOut]


class KeyOut(BaseModel):
    """Whose key it is, and what it allows."""

    name: str
    scopes: list[str]


class ErasedOut(BaseModel):
    """How many rows went from each table."""

    erased: dict[str, int]


class ExportOut(BaseModel):
    """Everything that is kept of a person."""

    user_id: str
    erased_at: Moment | None = Field(description="erased lately: no event of before counts; null where it is long ago")
    merged_into: str | None
    merged: list[dict[str, JsonValue]]
    interactions: list[dict[str, JsonValue]]
    feedback: list[dict[str, JsonValue]]
    remembered_events: list[dict[str, JsonValue]]
    lists: list[dict[str, JsonValue]]
    experiments: list[dict[str, JsonValue]]
    exposures: list[dict[str, JsonValue]]
    holdouts: list[dict[str, JsonValue]]
    announcements: list[dict[str, JsonValue]]


class SettingOut(BaseModel):
    """A setting: the value in force, and what it means."""

    value: JsonValue
    source: Literal["default", "environment"]
    default: JsonValue
    unit: str | None
    takes: str
    reason: str


class SettingsOut(BaseModel):
    """Weights and settings in force; settings by their names in the environment."""

    weights: dict[str, float]
    owning_events: list[str]
    settings: dict[str, SettingOut]
    unknown: list[str] = Field(description="a sentence for each variable that looks like a setting and is none")
