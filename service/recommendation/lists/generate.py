"""Generating the lists of some users now, as `POST /user/{id}/generate` asks; several requests share one call."""

from collections.abc import Mapping, Sequence

from recommendation.clock import Clock
from recommendation.database.database import Database
from recommendation.database.versions import next_number
from recommendation.lists.personal import ListSettings, personal_list
from recommendation.lists.reads import read_users
from recommendation.lists.store import store_lists_of_those_there
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView


def generate_lists(
    database: Database, user_ids: Sequence[str], view: StoreView, settings: ListSettings, clock: Clock
) -> Mapping[str, UserState]:
    """
    Rank for some users and store their lists, all or none of them.

    The number is taken before anything is read; a user who is erased after that is not written. Times are read in any
    case: the answer is made with the view that is present then, and its model may need them where this one does not.

    Returns:
        The users as they were read, each with the list that was made; users without interactions have none.

    Raises:
        ModelMissing: nothing was trained yet.
        StoreUnavailable: as for `Database.round_trips`.
    """
    with database.round_trips() as connection:
        number = next_number(connection)
        states = read_users(connection, user_ids, with_times=True, often=view.least_often(settings.often))
    now = clock()
    ranked = [personal_list(state, view, settings, number, now) for state in states.values() if state.events_seen]
    made = [stored for stored in ranked if stored is not None]
    if made:
        with database.round_trips() as connection:
            there = store_lists_of_those_there(connection, made, number)
        for stored in made:
            if stored.user_id in there:
                states[stored.user_id].lists["cf"] = stored
    return states
