"""Answers about experiments."""

from typing import Literal

from pydantic import BaseModel

from recommendation_api.openapi.answers.lists import AssignedOut
from recommendation_api.openapi.schemas import Moment


class VariantOut(BaseModel):
    """A variant: what its users get."""

    name: str
    share: int
    placement: Literal["on", "off"]
    lists: Literal["personal", "popular"]


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


class ExperimentsOut(BaseModel):
    """All experiments, by their names."""

    experiments: list[ExperimentOut]


class UserExperimentsOut(BaseModel):
    """The variants that a user gets now."""

    user_id: str
    experiments: list[AssignedOut]
