"""Which remembered events experiments still need: with them it is told what users did, and when."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, false, or_

from recommendation.catalogue.drop_store import drops_with_holdout
from recommendation.database.tables import event_ids
from recommendation.experiments.experiment import Experiment
from recommendation.experiments.holdout import measured
from recommendation.experiments.store import read_experiments


def needed_events(connection: Connection, now: datetime, kept_after: timedelta) -> ColumnElement[bool]:
    """
    Return a condition on `event_ids`: the events are outcomes of an experiment that waits, runs, or ended lately, or of
    a drop with a holdout.

    It is null of an event of an erased person, whose type is not known.

    Args:
        kept_after: how long exposures are kept: with the last one a report has lost its last user.
    """
    holdouts = (measured(drop) for drop in drops_with_holdout(connection))
    known = [*read_experiments(connection), *(one for one in holdouts if one is not None)]
    needed = [_of(one) for one in known if one.ends_at is None or one.ends_at > now - kept_after]
    return or_(false(), *needed)


def _last(experiment: Experiment) -> datetime | None:
    """Return when the last window of an experiment is over; None where it has no end."""
    end = experiment.ends_at
    return None if end is None else end + timedelta(days=experiment.window_days)


def _of(experiment: Experiment) -> ColumnElement[bool]:
    since, last = experiment.starts_at - timedelta(days=experiment.before_days), _last(experiment)
    mine = and_(event_ids.c.event_type == experiment.outcome, event_ids.c.occurred_at >= since)
    return mine if last is None else and_(mine, event_ids.c.occurred_at < last)
