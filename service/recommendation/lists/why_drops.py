"""Why a game of a drop has no place in a user's list: an experiment, a holdout, or other games in the drop's slots."""

from collections.abc import Iterable
from datetime import datetime

from recommendation.catalogue.drops import StandingDrop
from recommendation.experiments.treatment import Treatment
from recommendation.lists.order import Candidate
from recommendation.lists.view import StoreView

EXPERIMENT = "experiment"
"""An experiment leaves it out."""


HOLDOUT = "holdout"
"""Its drop has no places in this user's lists, and without one it stands lower or not at all."""


def no_place(given: Treatment, user_id: str, view: StoreView, game_id: str, now: datetime) -> tuple[str, str] | None:
    """Say by code and text why a standing drop has no places in a user's lists; None where it has, or there is none."""
    if drop_of(view.drops, game_id, now) is None:
        return None
    if given.drop_slots == 0:
        return EXPERIMENT, f"An experiment gives drops no places in this user's list: {given.told}"
    if drop_of(view.drops_for(user_id), game_id, now) is None:
        return HOLDOUT, "The user is in the holdout of this game's drop, which has no places in their lists"
    return None


def no_slot(given: Treatment, user_id: str, view: StoreView, item: Candidate, now: datetime) -> str:
    """Say of a game of a drop that stands in the list by itself that it has no slot."""
    if item.source != "cf" or drop_of(view.drops, item.game_id, now) is None:
        return ""
    without = no_place(given, user_id, view, item.game_id, now)
    return f". {without[1]}" if without else ". It is in no slot of its drop: other games take them"


def drop_of(drops: Iterable[StandingDrop], game_id: str, now: datetime) -> StandingDrop | None:
    """Return the first of the drops that stands and has the game."""
    return next((drop for drop in drops if game_id in drop.games and drop.released_at <= now < drop.ends_at), None)
