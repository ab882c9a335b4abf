"""Personal lists of several users, each ranked alone: for processes of the API, whose image holds no compiler."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from recommendation.engine.rank_one import Alone, rank_alone
from recommendation.errors import InvalidInput
from recommendation.interactions.history import UserBlock
from recommendation.lists.personal import ListSettings
from recommendation.lists.stored import LEAST_SCORE, StoredList, pack
from recommendation.lists.view import StoreView


class OneByOne:
    """A view that ranks block after block; the lists are those of `BlockLists`, at several times the cost."""

    def __init__(self, view: StoreView, settings: ListSettings) -> None:
        """Take a view with a live model."""
        if view.live is None:
            raise InvalidInput("there is no model to rank with")
        self._live = view.live
        self._settings = settings
        self._unlisted = view.unlisted_rows
        # One more key, for row -1: because of nothing.
        self._keys = np.append(view.keys, np.int32(-1))

    def of(self, block: UserBlock, generation: int, now: datetime) -> list[StoredList]:
        """Rank for several users. Those without a list are left out."""
        version, keys = self._live.version, self._keys
        return [
            StoredList(
                user_id,
                "cf",
                generation,
                now,
                pack(keys[alone.rows], alone.scores, keys[alone.because]),
                version,
                events,
            )
            for user_id, events, alone in zip(
                block.user_ids, block.events.tolist(), self._ranked(block, now, reasons=True), strict=True
            )
            if len(alone.rows)
        ]

    def keys_of(self, block: UserBlock, now: datetime) -> Iterator[list[int]]:
        """Yield the keys of every user's listed games, best first."""
        for alone in self._ranked(block, now, reasons=False):
            yield self._keys[alone.rows].tolist()

    def _ranked(self, block: UserBlock, now: datetime, *, reasons: bool) -> Iterator[Alone]:
        model = self._live.model
        rows = model.games.rows(block.game_ids)
        histories = model.fold_in(block.indptr, rows, block.scores(self._settings.half_life_days, now))
        hidden = np.where(block.hidden, rows, np.int32(-1))
        for user in range(len(block.user_ids)):
            own = hidden[block.indptr[user] : block.indptr[user + 1]]
            alone = rank_alone(
                model,
                histories.part(slice(user, user + 1)),
                np.concatenate([own[own >= 0], self._unlisted]),
                self._settings.length,
                reasons=reasons,
            )
            listed = int(np.count_nonzero(alone.scores >= LEAST_SCORE))
            yield Alone(alone.rows[:listed], alone.scores[:listed], alone.because[:listed])
