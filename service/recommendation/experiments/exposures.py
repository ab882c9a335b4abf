"""
What an experiment is measured by, out of the store: who was exposed when, and what they did before and after.

An exposure is `shown` feedback, or a list that was read where the experiment says so. An outcome is an event of the
experiment's type: feedback, or an interaction whose id is remembered. Feedback with an id is remembered too, and counts
once.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Subquery, case, exists, func, select, union_all

from recommendation.clock import EPOCH, TICK
from recommendation.database.dialects.reading import microseconds
from recommendation.database.tables import event_ids, exposures, feedback, merges
from recommendation.experiments.experiment import READ, Experiment
from recommendation.weights import SHOWN


class Exposed(NamedTuple):
    """A user who was shown a list while the experiment ran."""

    user_id: str
    is_over: bool
    """Whether the user's window is over; until then they are counted nowhere."""
    after: int
    """Outcomes in the window, from the first exposure on."""
    before: int
    """Outcomes in the days before the start of the experiment."""


def exposed_users(
    connection: Connection,
    experiment: Experiment,
    outcome: str,
    now: datetime,
    games: Collection[str] | None = None,
) -> Iterator[Exposed]:
    """
    Yield the users who were exposed, in no order.

    Accounts that a visitor was merged into since the start are left out: what the visitor was shown was drawn by
    another id.

    Args:
        connection: of a snapshot, as it streams.
        outcome: event type that is counted.
        now: what happens later is not looked at.
        games: only outcomes with these count in windows; None: with any. Before the start all do: a game that is
            released then was not there before.
    """
    exposed, outcomes = _exposed(connection, experiment, now), _outcomes(connection, experiment, outcome, now)
    window = timedelta(days=experiment.window_days) // TICK
    since = exposed.c.first
    in_window = (outcomes.c.at >= since) & (outcomes.c.at < since + window)
    if games is not None:
        in_window &= outcomes.c.game_id.in_(sorted(games))
    query = (
        select(
            exposed.c.user_id,
            since,
            func.sum(case((in_window, 1), else_=0)),
            func.sum(case((outcomes.c.at < _microseconds_of(experiment.starts_at), 1), else_=0)),
        )
        .select_from(exposed.outerjoin(outcomes, outcomes.c.user_id == exposed.c.user_id))
        .group_by(exposed.c.user_id, since)
    )
    present = _microseconds_of(now)
    for user_id, first, after, before in connection.execution_options(yield_per=10_000).execute(query):
        yield Exposed(user_id, first + window <= present, int(after), int(before))


def exposed_ids(connection: Connection, experiment: Experiment, now: datetime) -> Iterator[str]:
    """Yield only the ids of the users who were exposed, in no order; of a snapshot, as it streams."""
    query = select(_exposed(connection, experiment, now).c.user_id)
    yield from connection.execution_options(yield_per=10_000).execute(query).scalars()


_DAY = timedelta(days=1)


def remembered_since(connection: Connection, outcome: str, now: datetime) -> datetime | None:
    """
    Return since when interactions of a type are remembered, by the days from which some are: back from today until a
    day without any. None where none is remembered: outcomes are feedback, which is kept, or there was none for a week.

    Ids are let go after a week unless an experiment needs them, and what an earlier one needed is still there behind
    the gap. In a store that sells on few days it says too late a day, so doubt falls on the side of what is forgotten.
    """
    day = _DAY // TICK
    of_day = func.floor(microseconds(connection, event_ids.c.received_at) / day)
    query = select(of_day).where(event_ids.c.event_type == outcome, ~_in_feedback()).distinct()
    days = {int(found) for found in connection.execute(query).scalars()}
    if not days:
        return None
    first = _microseconds_of(now) // day
    while first - 1 in days:
        first -= 1
    return EPOCH + first * _DAY


def _in_feedback() -> ColumnElement[bool]:
    """Whether a remembered event is feedback, which is counted from its own rows."""
    told, kept = feedback.c, event_ids.c
    return exists().where(told.user_id == kept.user_id, told.event_id == kept.event_id)


def _exposed(connection: Connection, experiment: Experiment, now: datetime) -> Subquery:
    if experiment.exposure == READ:
        read = exposures.c
        of_this, user_id, moment = read.experiment == experiment.name, read.user_id, read.first_at
    else:
        shown = feedback.c
        of_this, user_id, moment = shown.action == SHOWN, shown.user_id, shown.occurred_at
    end = now if experiment.ends_at is None else min(now, experiment.ends_at)
    merged = select(merges.c.into_user_id).where(merges.c.merged_at >= experiment.starts_at)
    return (
        select(user_id, func.min(microseconds(connection, moment)).label("first"))
        .where(of_this, moment >= experiment.starts_at, moment < end, user_id.not_in(merged))
        .group_by(user_id)
        .subquery("exposed")
    )


def _outcomes(connection: Connection, experiment: Experiment, outcome: str, now: datetime) -> Subquery:
    since = experiment.starts_at - timedelta(days=experiment.before_days)
    told, kept = feedback.c, event_ids.c
    as_feedback: Select[tuple[str, str, int]] = select(
        told.user_id, told.game_id, microseconds(connection, told.occurred_at).label("at")
    ).where(told.action == outcome, told.occurred_at >= since, told.occurred_at <= now)
    as_events = select(kept.user_id, kept.game_id, microseconds(connection, kept.occurred_at)).where(
        kept.event_type == outcome,
        kept.occurred_at >= since,
        kept.occurred_at <= now,
        kept.taken_back_at.is_(None),
        ~_in_feedback(),
    )
    return union_all(as_feedback, as_events).subquery("outcomes")


def _microseconds_of(moment: datetime) -> int:
    return (moment - EPOCH) // TICK
