"""Personal lists of many users at once; each gets what `personal_list` gives."""

from datetime import datetime

import numpy as np
import numpy.typing as npt

from recommendation.engine.rank_many import BatchRanker, RankingBlock
from recommendation.interactions.history import UserBlock
from recommendation.lists.personal import ListSettings, RankFromView
from recommendation.lists.stored import LEAST_SCORE, PACKED_ITEM, StoredList
from recommendation.lists.view import StoreView


class RankMany(RankFromView):
    """Ranks all users of a block together with compiled loops; several threads may do so at once."""

    def __init__(self, view: StoreView, settings: ListSettings) -> None:
        """Take a view with a live model."""
        super().__init__(view, settings)
        self._ranker = BatchRanker(self._live.model, self._unlisted)

    def of(self, block: UserBlock, number: int, now: datetime) -> list[StoredList]:
        """Rank for several users. Those without a list are left out."""
        model = self._live.model
        rows = model.games.rows(block.game_ids)
        ranked = RankingBlock.empty(len(block.user_ids), self._settings.length)
        self._ranker.rank(
            model.fold_in(block.indptr, rows, block.scores(self._settings.half_life_days, now), block.last_event_at),
            block.indptr,
            np.where(block.hidden, rows, np.int32(-1)),
            ranked,
            reasons=True,
        )
        items, counts = self._packed(ranked), np.count_nonzero(ranked.scores >= LEAST_SCORE, axis=1)
        width, data = items.shape[1] * PACKED_ITEM.itemsize, items.tobytes()
        return [
            StoredList(
                user_id,
                "cf",
                number,
                now,
                data[place * width : place * width + count * PACKED_ITEM.itemsize],
                self._live.version,
                events,
            )
            for place, (user_id, count, events) in enumerate(
                zip(block.user_ids, counts.tolist(), block.events.tolist(), strict=True)
            )
            if count
        ]

    def _packed(self, ranked: RankingBlock) -> npt.NDArray[np.void]:
        """Every user's items as `pack` writes them, shape (users, length)."""
        items = np.empty(ranked.rows.shape, PACKED_ITEM)
        items["game_key"] = self._keys[ranked.rows]
        items["score"] = ranked.scores
        items["because_key"] = self._keys[ranked.because]
        return items
