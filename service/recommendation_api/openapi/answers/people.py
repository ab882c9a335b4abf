"""Answers about what is known of people and their events."""

from pydantic import BaseModel

from recommendation_api.openapi.schemas import Moment


class TakenBackOut(BaseModel):
    """An event that does not count any more."""

    event_id: str
    user_id: str
    game_id: str
    event_type: str
    occurred_at: Moment
    taken_back_at: Moment
