"""Answers about the whole store at a glance, and about who changed what."""

from datetime import datetime

from pydantic import BaseModel


class TroubleOut(BaseModel):
    """Something that is wrong, and the name of its page under `docs/runbooks`."""

    code: str
    text: str
    runbook: str


class LiveOut(BaseModel):
    """The live model; `pairs` of a user and a game are what it was fitted to."""

    version: str
    created_at: datetime
    users: int
    games: int
    pairs: int


class TrainingNowOut(BaseModel):
    """How trainings go. `usual_pause_seconds` is the median pause between the last of them."""

    last_result: str | None
    last_finished_at: datetime | None
    last_success_at: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    suspended: bool
    usual_pause_seconds: float | None


class MinuteOut(BaseModel):
    """
    What all replicas answered in a minute.

    `fallback` are lists of popular games only, of users who did something; `p99_seconds` is the upper bound of the
    bucket in which the slowest hundredth of the reads begins.
    """

    minute: datetime
    reads: int
    fallback: int
    events: int
    failed: int
    feedback: dict[str, int]
    p99_seconds: float | None


class ListsNowOut(BaseModel):
    """What the lists cover, as of the last full regeneration."""

    catalogue_coverage: float | None
    user_coverage: float | None
    regenerations_running: int
    last_finished_at: datetime | None


class DropsNowOut(BaseModel):
    """How many drops stand in lists, and how many are to come."""

    standing: int
    scheduled: int


class ChangeOut(BaseModel):
    """
    Who changed what, when.

    `action` is a method and a route, `subject` what stood in its path; ids of people are left out.
    """

    number: int
    at: datetime
    holder: str
    action: str
    subject: str | None


class OverviewOut(BaseModel):
    """The whole store at a glance. `games` counts the catalogue, `users` those of the last full regeneration."""

    as_of: datetime
    troubles: list[TroubleOut]
    live: LiveOut | None
    training: TrainingNowOut
    lists: ListsNowOut
    drops: DropsNowOut
    games: int
    users: int | None
    hour: MinuteOut
    minutes: list[MinuteOut]
    changes: list[ChangeOut]


class ChangesOut(BaseModel):
    """Changes, newest first; `before` of the next page, null where this was the last."""

    changes: list[ChangeOut]
    before: int | None
