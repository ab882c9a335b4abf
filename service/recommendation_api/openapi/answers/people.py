"""Answers about what is known of people and their events."""

from pydantic import BaseModel

from recommendation_api.openapi.schemas import Moment


class MergedOut(BaseModel):
    """A visitor's history is the account's."""

    merged_at: Moment
    moved: dict[str, int]
    lists_left_out: list[str]


class TakenBackOut(BaseModel):
    """An event that does not count any more."""

    game_id: str
    event_type: str
    occurred_at: Moment
    taken_back_at: Moment


class FoundUserOut(BaseModel):
    """A user who was found."""

    user_id: str
    games: int
    events: int
    last_event_at: Moment


class FoundUsersOut(BaseModel):
    """A page of users, and where to go on."""

    users: list[FoundUserOut]
    next_cursor: str | None
