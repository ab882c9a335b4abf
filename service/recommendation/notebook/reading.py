"""Interactions for a notebook: from columns of any table, or from the database of a store."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from recommendation.clock import utc_now
from recommendation.database.database import Database
from recommendation.database.schema import is_usable, schema_state
from recommendation.errors import InvalidInput, StoreUnavailable
from recommendation.evaluation.data import Dataset
from recommendation.matrix.extract import read_matrix
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.weights import MILLION


def interactions(
    users: Iterable[object],
    games: Iterable[object],
    scores: Iterable[float] | None = None,
    times: Iterable[float] | None = None,
) -> Dataset:
    """
    Add interactions up to one score for each user and game.

    Args:
        users, games: one entry an interaction, such as two columns of a table; ids are taken as text.
        scores: what each adds to its pair's score, in weight units; 1 where left out.
        times: of each, in seconds since 1970; for a fit that lets older games fade, and for a temporal split.

    Raises:
        InvalidInput: the columns have different lengths, or a time is none (see `microseconds_of`).

    Example:
        >>> interactions(["ann", "ann", "bob"], ["g1", "g1", "g2"], [3, 1, 5]).history("ann")
        {'g1': 4.0}
    """
    user_ids, game_ids = list(map(str, users)), list(map(str, games))
    added = np.ones(len(user_ids)) if scores is None else np.fromiter(scores, float)
    moments = None if times is None else np.fromiter(times, float)
    lengths = {len(user_ids), len(game_ids), len(added), len(user_ids) if moments is None else len(moments)}
    if len(lengths) > 1:
        raise InvalidInput(f"the columns have different lengths: {sorted(lengths)}")
    microseconds = None if moments is None else microseconds_of(moments)
    return Dataset(InteractionMatrix.from_pairs(user_ids, game_ids, added, microseconds))


def microseconds_of(moments: NDArray[np.float64]) -> NDArray[np.int64]:
    """
    Turn seconds since 1970 into microseconds; shape (times,).

    Raises:
        InvalidInput: one is not a number, as where a table has no entry, or further away than 64 bits reach.
    """
    wrong = np.flatnonzero(~(np.abs(moments) < 2.0**63 / MILLION))
    if len(wrong):
        raise InvalidInput(
            f"a time is a number of seconds since 1970, not {moments[wrong[0]]}: number {wrong[0]} of {len(moments)}, "
            f"counted from 0, and {len(wrong) - 1} more"
        )
    return np.rint(moments * MILLION).astype(np.int64)


def read_store(database_url: str, half_life_days: float | None = None) -> Dataset:
    """
    Read every pair of a store in one snapshot, as a training reads them; nothing is written.

    Args:
        database_url: as `RECOMMENDATION_DATABASE_URL`.
        half_life_days: days after which a pair counts half, as `INTERACTION_HALF_LIFE_DAYS`; None: never.

    Raises:
        StoreUnavailable: the database does not answer, or is not one of this service.
    """
    database = Database(database_url)
    try:
        with database.reading() as connection:
            state = schema_state(connection)
        if not is_usable(state):
            raise StoreUnavailable(f"the database {state.value}; run 'recs migrate'")
        with database.snapshot() as connection:
            return Dataset(read_matrix(connection, half_life_days, utc_now()))
    finally:
        database.close()
