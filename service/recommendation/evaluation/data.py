"""Interactions to evaluate on, and how they are split into what a model may see and what is held out."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.ndcg import HELD_OUT_SHARE, MIN_PAIRS
from recommendation.errors import InvalidInput
from recommendation.matrix.matrix import InteractionMatrix
from recommendation.matrix.vocabulary import Vocabulary
from recommendation.rows import GAME_COLUMNS, QUANTITY_COLUMNS, USER_COLUMNS

_GUESSES = {
    "user": USER_COLUMNS,
    "game": GAME_COLUMNS,
    "score": ("score", *QUANTITY_COLUMNS, "weight", "rating", "value"),
}


@dataclass(frozen=True, eq=False)
class Columns:
    """Names of a file's columns; None means a guess for user, game and score, and no column for the time."""

    user: str | None = None
    game: str | None = None
    score: str | None = None
    time: str | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """A matrix and, where the file has times, each pair's latest."""

    matrix: InteractionMatrix
    times: NDArray[np.float64] | None = None
    """Seconds since 1970, shape (pairs,)."""


@dataclass(frozen=True, eq=False)
class Split:
    """Two matrices with the same vocabularies; no pair is in both."""

    train: InteractionMatrix
    held_out: InteractionMatrix

    @property
    def users(self) -> NDArray[np.int64]:
        """Rows of the users of whom pairs were held out."""
        return np.flatnonzero(self.held_out.pairs_per_user())

    def only_for(self, user_ids: Container[str]) -> Split:
        """The same split for some users; the held-out pairs of all others go back into `train`."""
        chosen = np.array([user in user_ids for user in self.held_out.users.all_ids], bool)
        asked = chosen[self.held_out.user_rows]
        back = self.held_out.only_pairs(~asked)
        train = InteractionMatrix.from_codes(
            self.train.users,
            self.train.games,
            np.concatenate([self.train.user_rows, back.user_rows]),
            np.concatenate([self.train.indices, back.indices]),
            np.concatenate([self.train.scores, back.scores]),
        )
        return Split(train, self.held_out.only_pairs(asked))


def read_csv(path: Path, columns: Columns) -> Dataset:
    """
    Read a file of one interaction a line (`.gz` is unpacked); ids are text as they stand.

    Raises:
        InvalidInput: names the missing column or the unusable line.
    """
    with _opened(path) as file:
        lines = csv.reader(file)
        header = next(lines, None)
        if header is None:
            raise InvalidInput(f"{path} is empty; its first line must name the columns")
        places = _places(path, header, columns)
        rows = list(_rows(path, lines, places))
    if not rows:
        raise InvalidInput(f"{path} has no line after its header")
    users, games, scores, times = zip(*rows, strict=True)
    return dataset(users, games, np.array(scores), None if columns.time is None else np.array(times))


def dataset(
    users: Sequence[str], games: Sequence[str], scores: NDArray[Any], times: NDArray[Any] | None = None
) -> Dataset:
    """Sum up parallel sequences, one entry an interaction, into pairs."""
    matrix = InteractionMatrix.from_pairs(users, games, scores)
    if times is None:
        return Dataset(matrix)
    width = max(len(matrix.games), 1)
    keys = matrix.user_rows * width + matrix.indices
    own = matrix.users.rows(users).astype(np.int64) * width + matrix.games.rows(games)
    place = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
    kept = keys[place] == own
    last = np.full(len(keys), -np.inf)
    np.maximum.at(last, place[kept], times[kept])
    return Dataset(matrix, last)


def random_split(data: Dataset, seed: int, share: float = HELD_OUT_SHARE, at_least: int = MIN_PAIRS) -> Split:
    """Hold out a share of the pairs of each user with at least `at_least`, one or more, drawn by `seed`."""
    matrix = data.matrix
    per_user = matrix.pairs_per_user()
    wanted = np.where(per_user >= at_least, np.maximum(1, np.rint(share * per_user)), 0)
    drawn = np.random.default_rng(seed).random(matrix.pairs)
    return Split(*matrix.hold_out(drawn, wanted))


def leave_last_out(data: Dataset, at_least: int = MIN_PAIRS) -> Split:
    """Hold out the latest pair of each user with at least `at_least`; of equal times the greater game id."""
    if data.times is None:
        raise InvalidInput("a temporal split needs the times of the interactions: name their column with --time-column")
    wanted = np.where(data.matrix.pairs_per_user() >= at_least, 1, 0)
    return Split(*data.matrix.hold_out(-data.times, wanted))


def given_split(train: InteractionMatrix, held_out: InteractionMatrix) -> Split:
    """Give two matrices common vocabularies; pairs of the first are left out of the second."""
    users = Vocabulary.from_ids([*train.users.all_ids, *held_out.users.all_ids])
    games = Vocabulary.from_ids([*train.games.all_ids, *held_out.games.all_ids])
    both = [_under(matrix, users, games) for matrix in (train, held_out)]
    keys = [matrix.user_rows * len(games) + matrix.indices for matrix in both]
    return Split(both[0], both[1].only_pairs(~np.isin(keys[1], keys[0])))


def _under(matrix: InteractionMatrix, users: Vocabulary, games: Vocabulary) -> InteractionMatrix:
    user_rows = users.rows(matrix.users.all_ids)[matrix.user_rows]
    game_rows = games.rows(matrix.games.all_ids)[matrix.indices]
    return InteractionMatrix.from_codes(users, games, user_rows, game_rows, matrix.scores)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as file
        ):
            yield file
    except (OSError, UnicodeDecodeError, EOFError, csv.Error) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error


def _places(path: Path, header: list[str], columns: Columns) -> tuple[int, int, int | None, int | None]:
    user, game = _place(path, header, "user", columns.user), _place(path, header, "game", columns.game)
    if user is None or game is None:
        what = "user" if user is None else "game"
        raise InvalidInput(f"{path} has columns {', '.join(header)}: name the one of the {what} with --{what}-column")
    if user == game:
        raise InvalidInput(f"{path}: user and game cannot both be column {header[user]}")
    score = _place(path, header, "score", columns.score)
    return user, game, score, _place(path, header, "time", columns.time)


def _place(path: Path, header: list[str], what: str, name: str | None) -> int | None:
    if name is not None:
        if name not in header:
            raise InvalidInput(f"{path} has no column {name!r}: its columns are {', '.join(header)}")
        return header.index(name)
    lowered = [one.strip().lower() for one in header]
    return next((lowered.index(guess) for guess in _GUESSES.get(what, ()) if guess in lowered), None)


def _rows(
    path: Path, lines: Any, places: tuple[int, int, int | None, int | None]
) -> Iterator[tuple[str, str, float, float]]:
    user, game, score, time = places
    for number, line in enumerate(lines, start=2):
        if not line:
            continue
        try:
            amount = 1.0 if score is None else float(line[score])
            when = 0.0 if time is None else _seconds(line[time])
            if not np.isfinite(amount):
                raise ValueError(f"score {line[score or 0]!r} is not finite")
            yield line[user], line[game], amount, when
        except (ValueError, IndexError) as error:
            raise InvalidInput(f"{path}, line {number}: {error}") from error


def _seconds(text: str) -> float:
    """A number of seconds, or a time as RFC 3339 writes it; without a zone it is UTC."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
