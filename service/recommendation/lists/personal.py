"""A user's personal list: what the user did, folded into the live model."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommendation.engine.model import BY_TREND, Histories
from recommendation.engine.rank_one import Ranking, rank
from recommendation.errors import InvalidInput, no_model
from recommendation.experiments.treatment import Treatment
from recommendation.lists.stored import LEAST_SCORE, StoredList, pack
from recommendation.lists.tags import ANY_TAGS, TagFilter
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView


class ToldOfLists(Protocol):
    """What `Settings` says of lists; it checks URLs of databases too, of which nothing here may know."""

    @property
    def list_length(self) -> int: ...
    @property
    def half_life_days(self) -> float | None: ...
    @property
    def diversity(self) -> float: ...
    @property
    def most_per_tag(self) -> int: ...
    @property
    def shown_often(self) -> int: ...


@dataclass(frozen=True)
class ListSettings:
    """How personal lists are made."""

    length: int = 100
    """Most items in a list."""

    half_life_days: float | None = None
    """Days after which a pair counts half; None: never."""

    diversity: float = 0.0
    """How unlike by tags the first places are to be: 0 not at all, as `diversified` takes it."""

    most_per_tag: int = 0
    """Games of one tag on these places; 0: any number."""

    often: int = 0
    """So often a game is shown before it sinks, as `sunk` says; 0: none sinks."""

    @classmethod
    def of(cls, settings: "ToldOfLists") -> "ListSettings":
        """Return what the service is told of lists."""
        by_tags = settings.diversity, settings.most_per_tag
        return cls(settings.list_length, settings.half_life_days, *by_tags, settings.shown_often)

    @property
    def by_score(self) -> bool:
        """Whether the first places stand in the order of scores, too."""
        return not (self.diversity or self.most_per_tag)

    def needs_times(self, view: StoreView) -> bool:
        """Whether lists of this view need the time of each pair's last event."""
        return self.half_life_days is not None or view.needs_times

    def changed_by(self, given: Treatment) -> "ListSettings":
        """Return how the list of a user is made whose variant changes something of that."""
        changes = given.settings
        if changes is None or not changes.of_making:
            return self
        half_life = self.half_life_days if changes.half_life_days is None else changes.half_life_days or None
        return replace(
            self,
            half_life_days=half_life,
            diversity=self.diversity if changes.diversity is None else changes.diversity,
            most_per_tag=self.most_per_tag if changes.most_per_tag is None else changes.most_per_tag,
            often=self.often if changes.shown_often is None else changes.shown_often,
        )


class RankFromView:
    """What `RankEach` and `RankMany` rank with: the live model of one view, and the keys under which lists are kept."""

    def __init__(self, view: StoreView, settings: ListSettings) -> None:
        """
        Take a view with a live model.

        Raises:
            InvalidInput: the view has none.
        """
        if view.live is None:
            raise InvalidInput("there is no model to rank with")
        self._live = view.live
        self._settings = settings
        self._unlisted = view.unlisted_rows
        # The last keys stand for the rows -2 and -1: a list's reason where the trend added most, or nothing did.
        self._keys = np.append(view.keys, np.array([BY_TREND, -1], np.int32))


def this_hour(now: datetime) -> datetime:
    """Return the moment from which a fold-in counts ages: the same on every replica for a whole hour."""
    return now.replace(minute=0, second=0, microsecond=0)


def ranked(
    state: UserState, view: StoreView, scores: NDArray[np.float64], length: int, tags: TagFilter = ANY_TAGS
) -> tuple[Histories, Ranking]:
    """
    Rank the listed games for one user, without those owned or dismissed and those that `tags` leaves out.

    Args:
        scores: what each of the user's games says of their taste, as `UserState.scores` gives it.
        length: most games.

    Returns:
        The history as it was folded in, and rows of the live model: none where it knows none of the user's games.

    Raises:
        ModelMissing: nothing was trained yet.
    """
    live = view.live
    if live is None:
        raise no_model()
    rows = live.model.games.rows(state.game_ids)
    hidden = np.concatenate([rows[state.are_hidden], view.unlisted_rows, view.rows_without(tags)])
    own = live.model.fold_in_one(rows, scores, state.last_event_at)
    ranking = rank(live.model, own, hidden[hidden >= 0], length)
    return own, ranking.first(int(np.count_nonzero(ranking.scores >= LEAST_SCORE)))


def personal_list(
    state: UserState,
    view: StoreView,
    settings: ListSettings,
    number: int,
    now: datetime,
    tags: TagFilter = ANY_TAGS,
) -> StoredList | None:
    """
    Return what `ranked` gives as it is stored, or None where that is nothing: the user is served `popular`.

    Raises:
        ModelMissing: nothing was trained yet.
    """
    _, ranking = ranked(state, view, state.scores(settings.half_life_days, now), settings.length, tags)
    return listed_as(ranking, state, view, number, now) if len(ranking.rows) else None


def listed_as(ranking: Ranking, state: UserState, view: StoreView, number: int, made_at: datetime) -> StoredList:
    """Return a ranking by the live model of a view as it is stored."""
    keys = view.keys
    because = np.where(ranking.because >= 0, keys[ranking.because], ranking.because)
    return StoredList(
        user_id=state.user_id,
        source="cf",
        number=number,
        generated_at=made_at,
        items=pack(keys[ranking.rows], ranking.scores, because),
        model_version=view.live.version if view.live is not None else None,
        events_seen=state.events_seen,
    )
