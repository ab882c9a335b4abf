"""Answers about single games, and about games that were searched for."""

from typing import Literal

from pydantic import BaseModel, Field

from recommendation_api.openapi.schemas import Moment


class FoundGameOut(BaseModel):
    """A game that was found."""

    game_id: str
    title: str | None
    tags: list[str]
    released_at: Moment | None
    available: bool
    image_url: str | None


class FoundGamesOut(BaseModel):
    """A page of games, and where to go on."""

    games: list[FoundGameOut]
    next_cursor: str | None


class NeighbourOut(BaseModel):
    """One of the nearest games."""

    rank: int
    game_id: str
    title: str | None
    score: float


class GameOut(FoundGameOut):
    """What is known of a game; numbers are as of the live model, the last count, the last full regeneration."""

    similar_to: list[str]
    listed: bool
    model_version: str | None
    users_in_model: int | None
    popular_rank: int | None
    popular_users: int | None
    popular_days: int | None
    top_tens: int | None
    drops: list[str]
    pinned_in: list[str]
    neighbours: list[NeighbourOut]
    owners: int | None


class OwnersOnDayOut(BaseModel):
    """How many owned a game by the end of a day."""

    day: str = Field(json_schema_extra={"format": "date"})
    owners: int


class OwnersOut(BaseModel):
    """How the present owners of a game became more."""

    game_id: str
    days: list[OwnersOnDayOut]


class DeletedGameOut(BaseModel):
    """A game that was deleted, and what became of its history."""

    deleted_at: Moment
    history: Literal["kept", "erasing", "erased"]
    pairs_erased: int
