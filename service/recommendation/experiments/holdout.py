"""
The holdout of a drop: users whose lists hold no place of it, so that it can be told what its places earn.

It is an experiment on all users that has two variants. So users are drawn, and the two groups compared, as in any
other experiment, and no row says who is in it. It is in no layer: experiments and other drops do not know of it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from recommendation.catalogue.drops import Drop, StandingDrop
from recommendation.experiments.experiment import Experiment, Variant

HELD_BACK, PLACED = "held-back", "placed"


WINDOW_DAYS = 7
"""Days from the first list that a user was shown in which purchases count, as in experiments."""


BEFORE_DAYS = 28
"""Days before it whose purchases tell what a user buys anyway: the more of them, the less chance is left (CUPED)."""


def holdout_of(drop: StandingDrop) -> Experiment | None:
    """Return what draws the holdout of a drop that readers know; None where it has none."""
    return _drawn(drop.uid, drop.holdout_percent, drop.released_at, drop.ends_at)


def measured(drop: Drop) -> Experiment | None:
    """
    Return the experiment that a drop's lift is read from, from the first of its places to their end; None without one.

    A drop that was deleted before its release ends as it starts.
    """
    begins = drop.measured_from or drop.released_at
    ends = drop.ends_at if drop.ended_at is None else min(drop.ends_at, drop.ended_at)
    return _drawn(drop.uid, drop.holdout_percent, begins, max(begins, ends))


def _drawn(uid: str, percent: int | None, begins: datetime, ends: datetime) -> Experiment | None:
    if percent is None:
        return None
    variants = (Variant(HELD_BACK, percent, placement=False), Variant(PLACED, 100 - percent))
    # No experiment of a shop can have this salt: there it is a name, without a slash.
    salt = f"drop/{uid}"
    return Experiment(uid, variants, begins, ends, salt=salt, window_days=WINDOW_DAYS, before_days=BEFORE_DAYS)


def is_held_back(holdout: Experiment, user_id: str) -> bool:
    """Tell whether a user is in a holdout; a basket, which is no user, never is."""
    variant = holdout.variant_of(user_id) if user_id else None
    return variant is not None and not variant.placement


def groups_in_holdouts(drops: Iterable[StandingDrop], user_id: str) -> list[dict[str, Any]]:
    """Say of each drop that has a holdout whether a user is in it."""
    drawn = ((drop.uid, holdout_of(drop)) for drop in drops)
    return [{"drop_uid": uid, "held_back": is_held_back(held, user_id)} for uid, held in drawn if held is not None]
