"""
What every reader of a process shares: catalogue, popular games, lists for everyone, standing drops, the live model.

A view is a value: a reader takes the present one, and a change makes a new one.

`with_releases` puts games into the live model that it knows little or nothing of, near those that they are like.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendation.catalogue.drops import StandingDrop
from recommendation.catalogue.find import GameIndex
from recommendation.catalogue.games import Catalogue, Game
from recommendation.catalogue.popularity import PopularGame
from recommendation.engine.model import LiveModel
from recommendation.engine.releases import Release, extended, is_new
from recommendation.experiments.experiment import Experiment, versions_of
from recommendation.experiments.holdout import holdout_of, is_held_back
from recommendation.experiments.read_settings import ReadSettings
from recommendation.experiments.treatment import Treatments
from recommendation.lists.first_party import FirstPartyList
from recommendation.lists.order import Reason
from recommendation.lists.shops_own import ShopsOwn
from recommendation.lists.tag_taste import shares
from recommendation.lists.tags import TagFilter

_NO_ROWS = np.empty(0, np.int32)


_WITHOUT_MODEL = ("own_of_everyone", "reasons", "treatments", "_to_come", "_listed_after")
"""What is worked out once for a view and all views beside it."""


def with_releases(live: LiveModel, catalogue: Catalogue) -> LiveModel:
    """Return the live model with the catalogue's new games in it, each near its neighbours by `similar_to` and tags."""
    model = live.model
    names = sorted(name for name, game in catalogue.by_id.items() if game.similar_to or game.tags)
    releases = [
        Release(name, catalogue.by_id[name].similar_to, catalogue.by_id[name].tags)
        for name in compress(names, is_new(model, names).tolist())
    ]
    tags = {name: catalogue.by_id[name].tags for name in names}
    return replace(live, model=extended(model, releases, tags)) if releases else live


@dataclass(frozen=True)
class StoreView:
    """Everything but the user's own rows that a list is made of."""

    catalogue: Catalogue = field(default_factory=Catalogue)
    popular: Sequence[PopularGame] = ()
    popular_days: int | None = None
    """Over how many days the users of popular games were counted; None for all time."""
    popular_at: datetime | None = None
    everyone: Mapping[str, "FirstPartyList"] = field(default_factory=dict)
    drops: Sequence[StandingDrop] = ()
    experiments: Sequence[Experiment] = ()
    """Those that run or wait, by their names."""
    live: LiveModel | None = None
    beside: Mapping[str, "StoreView"] = field(default_factory=dict)
    """The same view ranked by another model, by the versions that experiments name and that are not the live one."""
    made_at: datetime | None = None
    edition: int = 0
    """Rises with each change but one of popular games: at one moment, views of one edition give the same pages."""
    popular_edition: int = 0
    """Rises where popular games change."""

    def with_model(self, live: LiveModel) -> "StoreView":
        """Return the same view ranked by another model; the two share what no model changes."""
        other = replace(self, live=live, beside={})
        vars(other).update({name: getattr(self, name) for name in _WITHOUT_MODEL})
        return other

    def if_live(self, live: LiveModel) -> "StoreView":
        """Return the view if another model were live: the one that is live stands beside where experiments name it."""
        named = versions_of(self.experiments) - {live.version}
        models = [view.live for view in (self, *self.beside.values()) if view.live is not None]
        beside: dict[str, StoreView] = {}
        view = replace(self, live=live, beside=beside)
        beside.update({model.version: view.with_model(model) for model in models if model.version in named})
        return view

    def with_beside(self, beside: Mapping[str, "StoreView"]) -> "StoreView":
        """Return the same view with others beside it; what was worked out for it stays so."""
        return self._but_for(("_turns",), beside=beside)

    def with_everyone(self, everyone: Mapping[str, "FirstPartyList"]) -> "StoreView":
        """Return the same view, and those beside it, with other lists for everyone."""
        beside = {version: view.with_everyone(everyone) for version, view in self.beside.items()}
        return self._but_for(("_turns", "own_of_everyone", "trendless"), everyone=everyone, beside=beside)

    def _but_for(self, changed: Collection[str], **changes: Any) -> "StoreView":
        """Return the view with changes, and what was worked out for it, but for what they change."""
        other = replace(self, **changes)
        kept = {name: value for name, value in vars(self).items() if name not in vars(other) and name not in changed}
        vars(other).update(kept)
        return other

    def ranked_by(self, version: str) -> "StoreView":
        """Return the view that is ranked by a version; itself where that is live or not at hand."""
        return self.beside.get(version, self)

    @cached_property
    def trendless(self) -> "StoreView":
        """The same view without the trend of its model; itself where that has none."""
        if self.live is None or self.live.model.trend is None:
            return self
        return self.with_model(replace(self.live, model=self.live.model.without_trend()))

    def least_often(self, usual: int) -> int:
        """
        Return after how many times shown games sink in some list: the least number of any; 0 where none sinks.

        Args:
            usual: the number of users whose variants say nothing of it.
        """
        return min((times for times in (usual, *self._often) if times), default=0)

    @cached_property
    def _often(self) -> Sequence[int]:
        return [found.shown_often for found in self._of_variants if found.shown_often is not None]

    @property
    def _leaves_trend_out(self) -> bool:
        return any(found.trend is False for found in self._of_variants)

    @property
    def _of_variants(self) -> Sequence[ReadSettings]:
        named = (variant.settings for one in self.experiments for variant in one.variants)
        return [found for found in named if found is not None]

    def turns_after(self, now: datetime) -> datetime | None:
        """
        Return the next moment that changes pages by itself.

        That is a release, the start or end of a drop or an experiment, the expiry of an item for everyone; whatever
        else comes to hang on the time belongs here, as pages are kept until then.
        """
        place = bisect_right(self._turns, now)
        return self._turns[place] if place < len(self._turns) else None

    def has_released_by(self, now: datetime) -> bool:
        """Tell whether a game was released since the view was made: the next one ranks it too."""
        return bool(bisect_right(self._to_come, now))

    @cached_property
    def _turns(self) -> Sequence[datetime]:
        of_drops = (moment for drop in self.drops for moment in (drop.released_at, drop.ends_at))
        of_experiments = (moment for one in self.experiments for moment in (one.starts_at, one.ends_at))
        expiries = (item.expires_at for given in self.everyone.values() for item in given.items)
        ends = (moment for moment in (*of_experiments, *expiries) if moment is not None)
        of_trends = (view.trend_until for view in (self, *self.beside.values()))
        return sorted({*self._to_come, *of_drops, *ends, *(moment for moment in of_trends if moment is not None)})

    @property
    def trend_until(self) -> datetime | None:
        """
        Until when the days of the live model's trend may be called the last ones; None without a trend.

        So long after the model was made as it counted back: then nothing of what it counted is of the last days.
        """
        if self.live is None or self.live.model.trend is None:
            return None
        return self.live.created_at + timedelta(days=self.live.model.trend_days)

    def drops_for(self, user_id: str) -> Sequence[StandingDrop]:
        """Return the drops that may have places in a user's list: all but those in whose holdout the user is."""
        if not self._has_holdouts:
            return self.drops
        return [drop for drop, held in self._holdouts if held is None or not is_held_back(held, user_id)]

    @cached_property
    def _has_holdouts(self) -> bool:
        return any(drop.holdout_percent is not None for drop in self.drops)

    @cached_property
    def _holdouts(self) -> Sequence[tuple[StandingDrop, Experiment | None]]:
        return [(drop, holdout_of(drop)) for drop in self.drops]

    @cached_property
    def treatments(self) -> Treatments:
        """What users get of the view's experiments."""
        return Treatments(self.experiments)

    def listed(self, now: datetime) -> Mapping[int, Game]:
        """
        Return the games that may be listed at a moment, by key: as the view was made, and those released since.

        It is the same mapping from one release to the next, so it is built once for very many reads.
        """
        began = bisect_right(self._to_come, now)
        found = self._listed_after.get(began)
        if found is None:
            moment = self._to_come[began - 1] if began else self._since
            found = {game.key: game for game in self.catalogue.by_id.values() if game.is_listed(moment)}
            self._listed_after[began] = found
        return found

    @property
    def _since(self) -> datetime:
        return self.made_at or datetime.min.replace(tzinfo=UTC)

    @cached_property
    def _to_come(self) -> Sequence[datetime]:
        """When games are released after the view was made."""
        moments = {game.released_at for game in self.catalogue.by_id.values() if game.available and game.released_at}
        return sorted(moment for moment in moments if moment > self._since)

    @cached_property
    def _listed_after(self) -> dict[int, Mapping[int, Game]]:
        """What `listed` returned so far, by the number of releases since the view was made."""
        return {}

    @cached_property
    def tag_shares(self) -> Mapping[str, float]:
        """Share of each tag in what all users touched, as the live model knows it; empty without one."""
        if self.live is None:
            return {}
        by_id, pairs = self.catalogue.by_id, self.live.model.pairs.tolist()
        names = self.live.model.games.all_ids
        return shares(
            (count, by_id[name].tags) for name, count in zip(names, pairs, strict=True) if count and name in by_id
        )

    @cached_property
    def reasons(self) -> dict[int, tuple[str, Reason, Reason]]:
        """
        Reasons that readers have needed so far, by the key of the game that they name: its id, the reason for a user
        who owns it, and the one for a user who only touched it.
        """
        return {}

    def warm(self) -> None:
        """Compute now what the first reader would wait for otherwise: milliseconds for a large catalogue."""
        _ = self.listed(self._since), self.unlisted_rows, self.keys, self.own_of_everyone, self.rows_of_tags
        _ = self.tag_shares, self.catalogue.newest
        if self.live is not None:
            self.live.model.warm()
        for other in self.beside.values():
            other.warm()
        if self._leaves_trend_out and self.trendless is not self:
            self.trendless.warm()

    @property
    def needs_times(self) -> bool:
        """Whether a model, or a variant, fades a user's older games, so that a list needs to know which came last."""
        recency = self.live.model.recency if self.live is not None else 0
        return (
            recency > 0
            or any(other.needs_times for other in self.beside.values())
            or any(variant.fades for one in self.experiments for variant in one.variants)
        )

    @cached_property
    def game_index(self) -> GameIndex:
        """Games by the beginnings of their ids and titles; sorting many takes a tenth of a second."""
        return GameIndex(self.catalogue)

    @cached_property
    def own_of_everyone(self) -> ShopsOwn:
        """What the shop recommends to everyone, in order."""
        return ShopsOwn.of(self.everyone, self.catalogue.by_id)

    @cached_property
    def unlisted_rows(self) -> npt.NDArray[np.int32]:
        """Rows of the live model's games that no list may show now (unavailable, not released, unknown)."""
        if self.live is None or self.made_at is None:
            return np.empty(0, np.int32)
        names, listed = self.live.model.games.all_ids, self.listed(self.made_at)
        on_sale = {game.game_id for game in listed.values()}
        return np.fromiter((row for row, game_id in enumerate(names) if game_id not in on_sale), np.int32)

    @cached_property
    def rows_of_tags(self) -> Mapping[str, npt.NDArray[np.int32]]:
        """Rows of the live model's games with each tag."""
        rows: dict[str, list[int]] = defaultdict(list)
        for row, game_id in enumerate(self.live.model.games.all_ids if self.live is not None else ()):
            game = self.catalogue.by_id.get(game_id)
            for tag in game.tags if game is not None else ():
                rows[tag].append(row)
        return {tag: np.array(of_tag, np.int32) for tag, of_tag in rows.items()}

    def rows_without(self, tags: TagFilter) -> npt.NDArray[np.int32]:
        """Rows of the live model's games that a filter by tags leaves out."""
        if not tags or self.live is None:
            return np.empty(0, np.int32)
        hidden = np.full(len(self.live.model.games), bool(tags.any_of))
        for tag in tags.any_of:
            hidden[self.rows_of_tags.get(tag, _NO_ROWS)] = False
        for tag in tags.none_of:
            hidden[self.rows_of_tags.get(tag, _NO_ROWS)] = True
        return np.flatnonzero(hidden).astype(np.int32)

    @cached_property
    def keys(self) -> npt.NDArray[np.int32]:
        """Game key of each row of the live model; -1 for a game that the catalogue does not know."""
        if self.live is None:
            return np.empty(0, np.int32)
        by_id: Any = self.catalogue.by_id
        names = self.live.model.games.all_ids
        return np.fromiter((by_id[name].key if name in by_id else -1 for name in names), np.int32, len(names))
