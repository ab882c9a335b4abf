"""What a game is to a user, as the digit that statements join, one a pair."""

from typing import Any

from sqlalchemy import String, case, cast

from recommendation.database.tables import user_game_interactions
from recommendation.interactions.history import DISMISSED, GIVEN_BACK, OWNED


def flag_digit(pairs: Any = user_game_interactions.c) -> Any:
    """
    Return the digit of a pair, by its columns: the sum of `OWNED`, `DISMISSED` and `GIVEN_BACK`, as far as they hold.

    A game was given back where the last event about owning it, of which `owned_at` is the time, was a refund.
    """
    owning = case((pairs.owned, OWNED), (pairs.owned_at.is_not(None), GIVEN_BACK), else_=0)
    return cast(owning + case((pairs.dismissed, DISMISSED), else_=0), String)
