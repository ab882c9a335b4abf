"""
Taking the interaction matrix out of the store, as CSV that Arrow reads while the database writes it.

Only batch jobs import this: Arrow is not in the API's image.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv
from sqlalchemy import Connection, select

from recommendation.matrix import InteractionMatrix
from recommendation.storage.dialects.reading import csv_of, microseconds
from recommendation.storage.tables import user_game_interactions
from recommendation.vocabulary import Vocabulary
from recommendation.weights import MILLION

_BLOCK_BYTES = 16 << 20
_TYPES = {"user_id": pa.string(), "game_id": pa.string(), "score": pa.int64(), "at": pa.int64()}


def read_matrix(connection: Connection, half_life_days: float | None, now: datetime) -> InteractionMatrix:
    """
    Read every pair, in units of weight.

    Args:
        connection: of `Database.snapshot`.
        half_life_days: a pair's score is halved for every such span since its last event; None: never.
        now: the moment from which ages count.
    """
    return _read(connection, half_life_days, now, with_times=half_life_days is not None)[0]


def read_timed_matrix(
    connection: Connection, half_life_days: float | None, now: datetime
) -> tuple[InteractionMatrix, NDArray[np.float64]]:
    """Read every pair as `read_matrix` does, and when its last event was, in seconds since 1970; shape (pairs,)."""
    matrix, times = _read(connection, half_life_days, now, with_times=True)
    return matrix, times / MILLION


def _read(
    connection: Connection, half_life_days: float | None, now: datetime, with_times: bool
) -> tuple[InteractionMatrix, NDArray[np.int64]]:
    """Return the matrix and, where asked for, each pair's last event in microseconds (else nothing)."""
    users, games = _Codes(), _Codes()
    scores, times = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    for batch in _batches(connection, with_times):
        users.add(batch.column("user_id"))
        games.add(batch.column("game_id"))
        own = batch.column("score").to_numpy() / MILLION
        if with_times:
            times.append(batch.column("at").to_numpy())
        if half_life_days is not None:
            ages = np.maximum(round(now.timestamp() * MILLION) - times[-1], 0)
            own *= np.exp2(-ages / (half_life_days * 86_400 * MILLION))
        scores.append(own.astype(np.float32))
    user_names, user_rows = users.finish()
    game_names, game_rows = games.finish()
    return _matrix(user_names, game_names, user_rows, game_rows, np.concatenate(scores), np.concatenate(times))


def _batches(connection: Connection, with_times: bool) -> Iterator[pa.RecordBatch]:
    pairs = user_game_interactions.c
    columns = [pairs.user_id, pairs.game_id, pairs.score_millionths]
    if with_times:
        columns.append(microseconds(connection, pairs.last_event_at))
    names = list(_TYPES)[: len(columns)]
    with csv_of(connection, select(*columns)) as stream:
        reading = csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES, use_threads=False)
        converting = csv.ConvertOptions(column_types=_TYPES)
        try:
            yield from csv.open_csv(stream, reading, convert_options=converting)
        except pa.ArrowInvalid as error:
            if "Empty CSV" not in str(error):
                raise


@dataclass
class _Codes:
    """Numbers for the values of a column, in the order in which they are met, batch by batch."""

    _values: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    _parts: list[NDArray[np.int32]] = field(default_factory=list)

    def add(self, column: pa.Array) -> None:
        """Number a batch."""
        encoded = column.dictionary_encode()
        place = pc.index_in(encoded.dictionary, self._values)
        new = place.is_null()
        fresh = encoded.dictionary.filter(new)
        number = place.fill_null(0).to_numpy().astype(np.int32)
        number[new.to_numpy(zero_copy_only=False)] = np.arange(len(self._values), len(self._values) + len(fresh))
        self._values = pa.concat_arrays([self._values, fresh])
        self._parts.append(number[encoded.indices.to_numpy()])

    def finish(self) -> tuple[Vocabulary, NDArray[np.int32]]:
        """Return the values in order, and the row of each entry."""
        names = self._values.to_pylist()
        vocabulary = Vocabulary.from_ids(names)
        rows = np.concatenate([np.empty(0, np.int32), *self._parts])
        self._parts.clear()
        return vocabulary, vocabulary.rows(names)[rows]


def _matrix(
    users: Vocabulary,
    games: Vocabulary,
    user_rows: NDArray[Any],
    game_rows: NDArray[Any],
    scores: NDArray[np.float32],
    times: NDArray[np.int64],
) -> tuple[InteractionMatrix, NDArray[np.int64]]:
    """Build the matrix of distinct pairs in the order of rows, which is sorted only where it has to be."""
    keys = user_rows.astype(np.int64)  # in place from here on: these arrays are the peak of a training's memory
    keys *= max(len(games), 1)
    keys += game_rows
    wanted: NDArray[Any] | None = None
    if not (keys[1:] > keys[:-1]).all():
        wanted = np.argsort(keys)
    if not (scores > 0).all():
        wanted = np.flatnonzero(scores > 0) if wanted is None else wanted[scores[wanted] > 0]
    if wanted is not None:
        user_rows, game_rows, scores = user_rows[wanted], game_rows[wanted], scores[wanted]
        times = times[wanted] if len(times) else times
    indptr = np.searchsorted(user_rows, np.arange(len(users) + 1, dtype=np.int32)).astype(np.int64)
    return InteractionMatrix(users, games, indptr, game_rows, scores), times
