"""Answers about the shop's own lists for everyone."""

from pydantic import BaseModel, Field

from recommendation_api.openapi.schemas import Moment


class OwnItemOut(BaseModel):
    """One recommendation of the shop's own."""

    game_id: str
    title: str | None
    score: float
    position: int | None
    reason: str | None
    expires_at: Moment | None


class OwnListOut(BaseModel):
    """What the shop recommends to everyone from one source, best first."""

    source: str
    generated_at: Moment
    items: list[OwnItemOut]


class OwnListsOut(BaseModel):
    """Every list that everyone gets."""

    lists: list[OwnListOut]


class ChangedListOut(OwnListOut):
    """A list as it is after a change."""

    new_games: list[str] = Field(description="games that were unknown before this request and are known now")
