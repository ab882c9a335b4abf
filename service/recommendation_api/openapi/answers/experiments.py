"""Answers about experiments."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from recommendation_api.openapi.answers.lists import AssignedOut
from recommendation_api.openapi.answers.training import PromotedOut
from recommendation_api.openapi.schemas import Moment

Exposure = Annotated[Literal["shown", "read"], Field(description="`shown` feedback, or a list that was read")]


class ReadSettingsOut(BaseModel):
    """What a variant changes of how lists are read; null is as the service is set."""

    drop_slots: int | None
    fresh_reads: bool | None
    half_life_days: float | None
    diversity: float | None
    most_per_tag: int | None
    shown_often: int | None
    trend: bool | None


class VariantOut(BaseModel):
    """A variant: what its users get."""

    name: str
    share: int
    placement: Literal["on", "off"]
    lists: Literal["personal", "popular"]
    model_version: str | None = Field(description="the model that ranks the lists; null: the live one")
    settings: ReadSettingsOut


class ExperimentOut(BaseModel):
    """An experiment; the first variant is the one that others are compared with."""

    name: str
    state: Literal["scheduled", "running", "ended"]
    description: str | None
    layer: str
    percent: int
    salt: str
    variants: list[VariantOut]
    starts_at: Moment
    ends_at: Moment | None
    outcome: str
    window_days: int
    before_days: int
    smallest_effect_percent: int
    exposure: Exposure


class ExperimentsOut(BaseModel):
    """All experiments, by their names."""

    experiments: list[ExperimentOut]


class HeldBackOut(BaseModel):
    """Whether a user is in the holdout of a drop that stands or waits."""

    drop_uid: str
    held_back: bool


class UserExperimentsOut(BaseModel):
    """The variants that a user gets now."""

    user_id: str
    experiments: list[AssignedOut]
    holdouts: list[HeldBackOut] = Field(description="of the drops that have one, in the order in which they are served")


class ComparedOut(BaseModel):
    """A variant beside the first one; numbers are of one user, and null while too few are counted."""

    state: Literal["Collecting", "Significant", "NoEffect", "TooFewUsers"]
    difference: float | None = Field(description="of the means, adjusted by the time before the start")
    low: float | None = Field(description="95 % interval that is right at every look")
    high: float | None
    one_look_low: float | None = Field(description="95 % interval for one look, at an end that was set beforehand")
    one_look_high: float | None
    relative: float | None = Field(description="the difference over the first variant's mean")
    p_value: float | None = Field(description="permutation test, where a group has fewer than 1,000 users")
    variance_left: float | None = Field(description="after the adjustment, over that before it")
    users_needed: int | None = Field(description="of both variants, to find the smallest effect in 80 % of such cases")
    users_needed_at_every_look: int | None = Field(
        description="the same, for the state `Significant`: by `low` and `high`"
    )


class CountedOut(BaseModel):
    """The users of a variant."""

    variant: str
    exposed: int
    counted: int = Field(description="users whose window is over")
    mean: float | None
    compared: ComparedOut | None = Field(description="null for the first variant")


class PlannedVariantOut(BaseModel):
    """How many users a variant and the first one need together."""

    variant: str
    users_needed: int = Field(description="for one look at an end that was set beforehand")
    users_needed_at_every_look: int = Field(description="for looks at any time: by `low` and `high`")


class PlannedOut(BaseModel):
    """What users of the last weeks let expect."""

    users: int
    mean: float
    remembered_since: Moment | None = Field(
        description="of interactions of the outcome's type; null: none is, so that all outcomes are feedback"
    )
    is_complete: bool = Field(description="false: outcomes before that are forgotten, so it says too many users")
    variants: list[PlannedVariantOut]


class SampleRatioOut(BaseModel):
    """Whether as many users were exposed in each variant as its share says."""

    p_value: float
    mismatch: bool = Field(description="users are missing from a variant: the differences tell nothing")


class WinnerOut(BaseModel):
    """The variant that is surely better than each other one."""

    variant: str | None
    undecided: str | None = Field(description="where none is: why not")


class WinnerPromotedOut(PromotedOut):
    """The model of the winner is live, and the experiment has ended."""

    experiment: str
    variant: str


class ExperimentReportOut(BaseModel):
    """What an experiment showed."""

    experiment: str
    state: Literal["scheduled", "running", "ended"]
    outcome: str
    exposure: Exposure
    window_days: int
    before_days: int
    starts_at: Moment
    ends_at: Moment | None
    counted_until: Moment
    sample_ratio: SampleRatioOut
    winner: WinnerOut
    planned: PlannedOut | None = Field(description="before the start, where enough users were shown anything lately")
    variants: list[CountedOut]


class GroupOut(BaseModel):
    """The users of a drop's holdout, or all others."""

    exposed: int
    counted: int = Field(description="users whose window is over")
    mean: float | None


class LiftOut(ComparedOut):
    """What a drop's places earned: those who may have them beside those held back."""

    drop_uid: str
    name: str
    percent: int = Field(description="of the users are held back")
    outcome: str
    games: Literal["drop", "all"]
    window_days: int
    before_days: int
    starts_at: Moment
    ends_at: Moment
    last_look_at: Moment = Field(description="when the last window is over")
    is_final: bool = Field(description="the last window is over: no more users come")
    counted_until: Moment
    sample_ratio: SampleRatioOut
    held_back: GroupOut
    placed: GroupOut
