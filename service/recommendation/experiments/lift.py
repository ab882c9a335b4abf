"""What a drop's places earn: the users of its holdout beside those in whose lists it may have places."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from recommendation.catalogue.drops import Drop
from recommendation.clock import rfc3339
from recommendation.experiments.experiment import Experiment
from recommendation.experiments.exposures import exposed_users
from recommendation.experiments.report import count, sample_ratio, told_of


def lift(
    connection: Connection, drop: Drop, holdout: Experiment, outcome: str, own_games: bool, now: datetime
) -> dict[str, Any]:
    """
    Return what a drop's places earned until now; on one snapshot.

    Args:
        holdout: as `measured` makes it of the drop.
        outcome: event type that is counted.
        own_games: count events with games of the drop only; else with any, of which the drop may take some away.
    """
    games = {game.game_id for game in drop.games} if own_games else None
    held_back, placed = count(holdout, exposed_users(connection, holdout, outcome, now, games))
    ends_at, until = holdout.ends_at or holdout.starts_at, last_look(holdout)
    told = told_of(holdout, held_back, placed, now)
    return {
        "drop_uid": drop.uid,
        "name": drop.name,
        "percent": drop.holdout_percent,
        "outcome": outcome,
        "games": "drop" if own_games else "all",
        "window_days": holdout.window_days,
        "before_days": holdout.before_days,
        "starts_at": rfc3339(holdout.starts_at),
        "ends_at": rfc3339(ends_at),
        "last_look_at": rfc3339(until),
        "is_final": now >= until,
        "counted_until": rfc3339(now),
        "sample_ratio": sample_ratio(
            [one.exposed for one in (held_back, placed)], [one.variant.share for one in (held_back, placed)]
        ),
        "held_back": _group(told_of(holdout, held_back, held_back, now)),
        "placed": _group(told),
        **told["compared"],
    }


def last_look(holdout: Experiment) -> datetime:
    """Return when the window of the last user who can have been shown a list while the drop stood is over."""
    return (holdout.ends_at or holdout.starts_at) + timedelta(days=holdout.window_days)


def _group(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in ("exposed", "counted", "mean")}
