"""Answers to readers."""

from typing import Literal

from pydantic import BaseModel, Field

from recommendation_api.openapi.schemas import Moment


class ReasonOut(BaseModel):
    """Why a game is listed."""

    code: str
    text: str
    because: str | None


class ItemOut(BaseModel):
    """One place of a list."""

    game_id: str
    title: str | None
    rank: int
    score: float
    source: str
    reason: ReasonOut
    model_version: str | None
    generated_at: Moment | None
    expires_at: Moment | None


class AssignedOut(BaseModel):
    """The variant that a user gets in an experiment."""

    experiment: str
    variant: str
    fallback: Literal["live_model"] | None = Field(
        description="`live_model` where the variant's model is not at hand, so that the live one ranks the list"
    )


class ListOut(BaseModel):
    """A page of a user's list."""

    user_id: str
    experiments: list[AssignedOut] = Field(description="experiments that run and have this user, by their names")
    items: list[ItemOut]
    next_cursor: str | None
    model_version: str | None
    generated_at: Moment | None
    personal: bool


class ListsOut(BaseModel):
    """The first page of each user's list."""

    lists: list[ListOut]


class RecommendedOut(BaseModel):
    """A page of the list for a basket."""

    unknown_games: list[str] = Field(description="games of the basket that are in no catalogue")
    items: list[ItemOut]
    next_cursor: str | None
    model_version: str | None
    generated_at: Moment | None
    personal: bool = Field(description="false where the model knows no game of the basket: then games are popular ones")


class PopularItemOut(BaseModel):
    """A game that many play."""

    rank: int
    game_id: str
    title: str | None
    users: int = Field(description="who own it or were interested in it")
    owners: int = Field(description="who own it")
    text: str = Field(description="what is counted, in a sentence")


class PopularOut(BaseModel):
    """Games by their owners, then by those who were interested."""

    items: list[PopularItemOut]


class SimilarItemOut(BaseModel):
    """A near game; `score` is the cosine of the factors, or the share of tags in common (1 where it is named)."""

    rank: int
    game_id: str
    title: str | None
    score: float


class SimilarOut(BaseModel):
    """The nearest games."""

    game_id: str
    in_model: bool
    by: Literal["model", "catalogue"] = Field(description="by factors, or by `similar_to` and tags")
    items: list[SimilarItemOut]
    model_version: str | None = Field(description="the live model, whether or not it knows the game")


class ContributionOut(BaseModel):
    """What one of the user's games adds to a score, or the trend."""

    game_id: str | None = Field(description="null where it is the game's popularity of late that adds, for every user")
    title: str | None
    contribution: float


class LeftOutOut(BaseModel):
    """Contributions that are not told."""

    games: int
    contribution: float = Field(description="what they add together")


class RemadeOut(BaseModel):
    """When lists are made anew."""

    regeneration_id: str | None = Field(description="the one under way")
    expected_at: Moment | None = Field(description="when the next should begin, going by the last two")


class ExplanationOut(BaseModel):
    """Why a game is shown to a user, or why not; the contributions, with those left out, sum to the score."""

    user_id: str
    game_id: str
    shown: bool
    code: str
    text: str
    rank: int | None
    source: str | None
    score: float | None
    contributions: list[ContributionOut]
    left_out: LeftOutOut
    model_version: str | None


class WhyOut(ExplanationOut):
    """Why a game is in a list, or why not; the contributions, with those left out, sum to the score."""

    remade: RemadeOut | None = Field(description="where the list is older than what is known of the game")
