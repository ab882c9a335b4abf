"""Answers of front pages."""

from pydantic import BaseModel, Field

from recommendation_api.openapi.answers.lists import AssignedOut, ExplanationOut, ItemOut, ReasonOut
from recommendation_api.openapi.schemas import Moment


class ShelfOut(BaseModel):
    """A row of games; `rank` counts within it."""

    title: str
    reason: ReasonOut = Field(
        description="its code tells the kind of row: picked, because_of_game, new_release, tag, popular, for_you, or "
        "newest; by it a shop can say the title in its own words"
    )
    tag: str | None = Field(description="the tag that all its games have, where it is a row of one")
    contribution: float | None = Field(
        description="what the game that is the reason adds to the scores of the row's games, all together"
    )
    items: list[ItemOut]


class ShelvesOut(BaseModel):
    """A user's front page. No game stands twice, and no row is empty."""

    user_id: str
    experiments: list[AssignedOut] = Field(description="experiments that run and have this user, by their names")
    rows: list[ShelfOut]
    model_version: str | None
    generated_at: Moment | None
    personal: bool = Field(description="false where the model says nothing of the user")


class ShelfWhyOut(ExplanationOut):
    """Why a game is on a user's front page, or why not; `code` is that of its row, and `rank` its place there."""
