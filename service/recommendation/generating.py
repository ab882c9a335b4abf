"""Making lists now, for several users at once: as a regeneration of just these users."""

from collections.abc import Mapping, Sequence

import numpy as np

from recommendation.block_lists import BlockLists
from recommendation.clock import Clock
from recommendation.errors import ModelMissing
from recommendation.lists import StoredList
from recommendation.personal import ListSettings, personal_list
from recommendation.storage.database import Database
from recommendation.storage.dialects.writing import next_generation
from recommendation.storage.lists import store_lists_of_those_there
from recommendation.storage.readers import UserState, read_users
from recommendation.storage.streams import UserBlock
from recommendation.view import StoreView

WORTH_A_BLOCK = 4
"""Users from which on they are ranked together; one alone is ranked by other means, to the same list."""


class ListMaker:
    """Ranks for some users and stores their lists; keeps what a model has to be made ready with."""

    def __init__(self, database: Database, settings: ListSettings, clock: Clock) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._ready: tuple[StoreView, BlockLists] | None = None

    def make(self, user_ids: Sequence[str], view: StoreView) -> Mapping[str, UserState]:
        """
        Rank for some users and store their lists, all or none of them. Several threads may do so at once.

        The number is taken before anything is read; whoever is erased after that is not written.

        Returns:
            The users as they were read, each with the list that was made; users without interactions have none.

        Raises:
            ModelMissing: nothing was trained yet.
            StoreUnavailable: as for `Database.round_trips`.
        """
        with self._database.round_trips() as connection:
            generation = next_generation(connection)
            states = read_users(connection, user_ids, self._settings.half_life_days is not None)
        made = self._ranked([state for state in states.values() if state.events_seen], view, generation)
        if made:
            with self._database.round_trips() as connection:
                there = store_lists_of_those_there(connection, made, generation)
            for stored in made:
                if stored.user_id in there:
                    states[stored.user_id].lists["cf"] = stored
        return states

    def _ranked(self, states: Sequence[UserState], view: StoreView, generation: int) -> list[StoredList]:
        now = self._clock()
        if len(states) < WORTH_A_BLOCK:
            alone = [personal_list(state, view, self._settings, generation, now) for state in states]
            return [stored for stored in alone if stored is not None]
        return self._block_lists(view).of(_as_block(states), generation, now)

    def _block_lists(self, view: StoreView) -> BlockLists:
        ready = self._ready
        if ready is not None and _rank_alike(ready[0], view):
            return ready[1]
        if view.live is None:
            raise ModelMissing("no model yet: POST /train, or run 'python -m recommendation_jobs train'")
        made = BlockLists(view, self._settings)
        self._ready = view, made
        return made


def _rank_alike(one: StoreView, other: StoreView) -> bool:
    """Tell whether two views, of which a new one is made every minute, rank with the same model and games."""
    return one is other or (
        one.live is other.live
        and np.array_equal(one.keys, other.keys)
        and np.array_equal(one.unlisted_rows, other.unlisted_rows)
    )


def _as_block(states: Sequence[UserState]) -> UserBlock:
    times = [state.last_event_at for state in states]
    return UserBlock(
        user_ids=[state.user_id for state in states],
        indptr=np.cumsum([0, *(len(state.game_ids) for state in states)]),
        game_ids=[game_id for state in states for game_id in state.game_ids],
        millionths=np.concatenate([state.millionths for state in states]),
        events=np.array([state.events_seen for state in states], np.int64),
        hidden=np.concatenate([state.are_hidden for state in states]),
        last_event_at=None if times[0] is None else np.concatenate([time for time in times if time is not None]),
    )
