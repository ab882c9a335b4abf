"""Personal lists of several users, ranked one after the other: for the API, whose image holds no compiler."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from recommendation.engine.rank_one import Ranking, rank
from recommendation.interactions.history import UserBlock
from recommendation.lists.personal import RankFromView
from recommendation.lists.stored import LEAST_SCORE, StoredList, pack


class RankEach(RankFromView):
    """Ranks one user after the other with NumPy; the lists are those of `RankMany`, at several times the cost."""

    def of(self, block: UserBlock, number: int, now: datetime) -> list[StoredList]:
        """Rank for several users. Those without a list are left out."""
        version, keys = self._live.version, self._keys
        return [
            StoredList(
                user_id,
                "cf",
                number,
                now,
                pack(keys[ranking.rows], ranking.scores, keys[ranking.because]),
                version,
                events,
            )
            for user_id, events, ranking in zip(
                block.user_ids, block.events.tolist(), self._ranked(block, now, reasons=True), strict=True
            )
            if len(ranking.rows)
        ]

    def keys_of(self, block: UserBlock, now: datetime) -> Iterator[list[int]]:
        """Yield the keys of every user's listed games, best first."""
        for ranking in self._ranked(block, now, reasons=False):
            yield self._keys[ranking.rows].tolist()

    def _ranked(self, block: UserBlock, now: datetime, *, reasons: bool) -> Iterator[Ranking]:
        model = self._live.model
        rows = model.games.rows(block.game_ids)
        scores = block.scores(self._settings.half_life_days, now)
        histories = model.fold_in(block.indptr, rows, scores, block.last_event_at)
        hidden = np.where(block.hidden, rows, np.int32(-1))
        for user in range(len(block.user_ids)):
            own = hidden[block.indptr[user] : block.indptr[user + 1]]
            ranking = rank(
                model,
                histories.part(slice(user, user + 1)),
                np.concatenate([own[own >= 0], self._unlisted]),
                self._settings.length,
                reasons=reasons,
            )
            listed = int(np.count_nonzero(ranking.scores >= LEAST_SCORE))
            yield Ranking(ranking.rows[:listed], ranking.scores[:listed], ranking.because[:listed])
