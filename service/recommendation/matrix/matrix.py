"""The interaction matrix: who did how much with which game, as plain arrays in compressed sparse rows (CSR)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommendation.matrix.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class InteractionMatrix:
    """
    Scores of users (rows) for games (columns), each row's games ascending and distinct, every score above 0.

    The vocabularies set the shape, not the pairs: a user or a game without any pair is still a row or a column. Users
    u, v and games a, b, c with the scores u-a 2, u-c 5 and v-b 1 are indptr [0, 2, 3], indices [0, 2, 1] and scores
    [2, 5, 1].
    """

    users: Vocabulary
    games: Vocabulary
    indptr: NDArray[np.int64]
    """Where each user's pairs start, and at the end their number; shape (users + 1,)."""
    indices: NDArray[np.int32]
    """Game row of each pair; shape (pairs,)."""
    scores: NDArray[np.float32]
    """Sum of weight x quantity over the pair's events, in weight units; shape (pairs,)."""
    times: NDArray[np.int64] | None = None
    """Microseconds since 1970 of each pair's last event, where they are known; shape (pairs,)."""

    @classmethod
    def from_codes(
        cls,
        users: Vocabulary,
        games: Vocabulary,
        user_rows: NDArray[Any],
        game_rows: NDArray[Any],
        scores: NDArray[Any],
        times: NDArray[np.int64] | None = None,
    ) -> InteractionMatrix:
        """
        Build from parallel arrays, one entry a pair, in any order.

        Entries of the same pair are added up, and the latest of their times counts. Pairs whose sum is not
        above 0 (a refund, a dismissal) say nothing about taste and are left out.

        Raises:
            ValueError: a row lies outside its vocabulary, or a score is not finite.
        """
        _refuse_outside(user_rows, len(users), "user")
        _refuse_outside(game_rows, len(games), "game")
        if not np.all(np.isfinite(scores)):
            raise ValueError("every score must be finite")
        keys = user_rows.astype(np.int64) * max(len(games), 1) + game_rows
        distinct, place = np.unique(keys, return_inverse=True)
        sums = np.bincount(place, weights=scores, minlength=len(distinct))
        kept = sums > 0
        last = None if times is None else _latest(times, place, len(distinct))[kept]
        return cls._from_sorted_keys(users, games, distinct[kept], sums[kept], last)

    @classmethod
    def from_pairs(
        cls,
        user_ids: Sequence[str],
        game_ids: Sequence[str],
        scores: Sequence[float] | NDArray[Any],
        times: NDArray[np.int64] | None = None,
    ) -> InteractionMatrix:
        """Build from parallel sequences of ids and scores, one entry a pair or an event."""
        users, games = Vocabulary.from_ids(user_ids), Vocabulary.from_ids(game_ids)
        rows = users.rows(user_ids), games.rows(game_ids)
        return cls.from_codes(users, games, *rows, np.asarray(scores, float), times)

    @classmethod
    def _from_sorted_keys(
        cls,
        users: Vocabulary,
        games: Vocabulary,
        keys: NDArray[np.int64],
        sums: NDArray[Any],
        times: NDArray[np.int64] | None,
    ) -> InteractionMatrix:
        user_rows, game_rows = np.divmod(keys, max(len(games), 1))
        indptr = np.zeros(len(users) + 1, dtype=np.int64)
        np.cumsum(np.bincount(user_rows, minlength=len(users)), out=indptr[1:])
        return cls(users, games, indptr, game_rows.astype(np.int32), sums.astype(np.float32), times)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of games."""
        return len(self.users), len(self.games)

    @property
    def pairs(self) -> int:
        """Number of distinct (user, game) pairs."""
        return len(self.indices)

    @property
    def user_rows(self) -> NDArray[np.int64]:
        """User row of each pair; shape (pairs,)."""
        return np.repeat(np.arange(len(self.users)), np.diff(self.indptr))

    def pairs_per_user(self) -> NDArray[np.int64]:
        """Number of distinct games of each user; shape (users,)."""
        return np.diff(self.indptr)

    def pairs_per_game(self) -> NDArray[np.int64]:
        """Number of distinct users of each game; shape (games,)."""
        return np.bincount(self.indices, minlength=len(self.games))

    def users_with_pairs(self) -> int:
        """Number of users with a pair."""
        return int(np.count_nonzero(self.pairs_per_user()))

    def row(self, user_row: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Game rows and scores of one user."""
        own = slice(self.indptr[user_row], self.indptr[user_row + 1])
        return self.indices[own], self.scores[own]

    def at_least(self, min_interactions: int) -> InteractionMatrix:
        """
        Leave out users and games with fewer distinct pairs, counted once, before anything is left out.

        A user or a game left without any pair goes too: nothing can be learnt from a user whose games are all rare.
        """
        return self.with_enough(self.pairs_per_game(), min_interactions).without_empty()

    def with_enough(self, per_game: NDArray[np.int64], min_interactions: int) -> InteractionMatrix:
        """
        Leave out pairs of users and games with fewer pairs, and users that are left without any.

        Args:
            per_game: how many pairs each game has, in other parts too; shape (games,).
        """
        enough = (self.pairs_per_user() >= min_interactions)[self.user_rows]
        enough &= (per_game >= min_interactions)[self.indices]
        return self.only_pairs(enough).with_users()

    def only_pairs(self, kept: NDArray[np.bool_]) -> InteractionMatrix:
        """The same users and games with only some of the pairs; `kept` has shape (pairs,)."""
        indptr = np.zeros(len(self.users) + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.user_rows[kept], minlength=len(self.users)), out=indptr[1:])
        return self._with(self.users, indptr, kept)

    def hold_out(
        self, order_by: NDArray[np.float64], wanted: NDArray[Any]
    ) -> tuple[InteractionMatrix, InteractionMatrix]:
        """
        Split into what is kept and what is held out, under the same vocabularies.

        Args:
            order_by: a number for each pair; each user's lowest are held out, of equal ones the later column.
            wanted: how many pairs to hold out of each user; shape (users,).

        Returns:
            The kept pairs and the held-out pairs. A user with order_by [0.5, 0.1, 0.9] and wanted 1 loses the second.
        """
        users = self.user_rows
        order = np.lexsort((-self.indices, order_by, users))
        place = np.empty(self.pairs, np.int64)
        place[order] = np.arange(self.pairs) - self.indptr[users[order]]
        out = place < wanted[users]
        return self.only_pairs(~out), self.only_pairs(out)

    def of_users(self, user_rows: NDArray[Any]) -> InteractionMatrix:
        """Some users, ascending, with every game as a column."""
        chosen = np.zeros(len(self.users), bool)
        chosen[user_rows] = True
        kept = chosen[self.user_rows]
        indptr = np.zeros(len(user_rows) + 1, np.int64)
        np.cumsum(self.pairs_per_user()[user_rows], out=indptr[1:])
        users = self.users.take(user_rows)
        return self._with(users, indptr, kept)

    def with_users(self) -> InteractionMatrix:
        """Leave out users without a pair; every game stays a column."""
        per_user = self.pairs_per_user()
        rows = np.flatnonzero(per_user)
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(per_user[rows], out=indptr[1:])
        return replace(self, users=self.users.take(rows), indptr=indptr)

    def of_games(self, game_rows: NDArray[Any], games: Vocabulary | None = None) -> InteractionMatrix:
        """
        Only some games, ascending, as columns; no pair is of any other.

        Args:
            games: the vocabulary of these, where there is one to be shared.
        """
        new_row = np.zeros(len(self.games), np.int32)
        new_row[game_rows] = np.arange(len(game_rows), dtype=np.int32)
        return replace(self, games=games or self.games.take(game_rows), indices=new_row[self.indices])

    def _with(self, users: Vocabulary, indptr: NDArray[np.int64], kept: NDArray[np.bool_]) -> InteractionMatrix:
        times = None if self.times is None else self.times[kept]
        return InteractionMatrix(users, self.games, indptr, self.indices[kept], self.scores[kept], times)

    def without_empty(self) -> InteractionMatrix:
        """Leave out users and games without a pair."""
        return self.with_users().of_games(np.flatnonzero(self.pairs_per_game()))


def _latest(times: NDArray[np.int64], place: NDArray[np.int64], pairs: int) -> NDArray[np.int64]:
    """Latest time of each pair's entries; shape (pairs,)."""
    last = np.full(pairs, np.iinfo(np.int64).min)
    np.maximum.at(last, place, times)
    return last


def _refuse_outside(rows: NDArray[Any], size: int, what: str) -> None:
    if len(rows) and (rows.min() < 0 or rows.max() >= size):
        raise ValueError(f"a {what} row lies outside its vocabulary of {size}")
