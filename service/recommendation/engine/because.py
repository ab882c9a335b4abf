"""Which of a user's games a listed game stands for: the one that added most to its score, for many users at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.link_table import LinkTable

if TYPE_CHECKING:
    from recommendation.engine.model import Histories, Model

CELLS = 200_000
"""Contributions at once (users x own games x listed games): 1.6 MB, which stay in the cache."""


class Reasons:
    """
    A model made ready to explain the lists of many users.

    Users with equally many games, and lists equally long, share one stacked product. It multiplies each user's
    matrices by themselves, so a user's contributions do not depend on who shares it.
    """

    def __init__(self, model: Model, links: LinkTable) -> None:
        self._model = model
        self._links = links

    def fill(self, own: Histories, rows: NDArray[np.int32], because: NDArray[np.int32]) -> None:
        """Write for each listed game, shape (users, n), the row of the user's game that added most; -1 for none."""
        games, listed = np.diff(own.indptr), np.count_nonzero(rows >= 0, axis=1)
        explained = np.flatnonzero((games > 0) & (listed > 0))
        shapes = games[explained] * (rows.shape[1] + 1) + listed[explained]
        order = explained[np.argsort(shapes, kind="stable")]
        bounds = np.flatnonzero(np.diff(games[order] * (rows.shape[1] + 1) + listed[order])) + 1
        for users in np.split(order, bounds):
            if len(users):
                self._fill_alike(own, users, int(games[users[0]]), int(listed[users[0]]), rows, because)

    def _fill_alike(
        self,
        own: Histories,
        users: NDArray[np.int64],
        games: int,
        listed: int,
        rows: NDArray[np.int32],
        because: NDArray[np.int32],
    ) -> None:
        step = max(1, CELLS // (games * listed))
        for start in range(0, len(users), step):
            some = users[start : start + step]
            at = own.indptr[some][:, None] + np.arange(games)
            mine, targets = own.rows[at], rows[some, :listed]
            added = self._added(mine, own.amounts[at], targets)
            most = added.argmax(axis=1)
            gave = np.take_along_axis(added, most[:, None, :], axis=1)[:, 0] > 0
            because[some, :listed] = np.where(gave, np.take_along_axis(mine, most, axis=1), -1)

    def _added(
        self, rows: NDArray[np.int32], amounts: NDArray[np.float64], targets: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """What each of the users' games adds to each target: shapes (users, games), (users, targets) to all three."""
        model = self._model
        products = np.matmul(model.factors[rows], model.factors[targets].transpose(0, 2, 1))
        added: NDArray[np.float64] = products.astype(np.float64)
        added *= model.output_scales[targets][:, None, :]
        self._add_links(added, rows, targets)
        added *= amounts[:, :, None]
        user, game, target = np.nonzero(rows[:, :, None] == targets[:, None, :])
        added[user, game, target] = 0.0
        return added

    def _add_links(self, added: NDArray[np.float64], rows: NDArray[np.int32], targets: NDArray[np.int32]) -> None:
        if self._links.is_empty:
            return
        users, listed = targets.shape
        games = len(self._model.games) + 1  # the table leads unused links behind the last game
        place = np.full(users * games, -1, np.int32)
        place[np.arange(users)[:, None] * games + targets] = np.arange(listed, dtype=np.int32)
        origin, reached, strengths = self._links.from_games(rows.reshape(-1))
        user = origin // rows.shape[1]
        found = place.take(reached + (user * games)[:, None])
        hit = np.flatnonzero(found.reshape(-1) >= 0)
        at = origin[hit // reached.shape[1]] * listed + found.reshape(-1)[hit]
        added.reshape(-1)[at] += strengths.reshape(-1)[hit]
