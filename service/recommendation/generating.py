"""Making lists now, for several users at once: as a regeneration of just these users."""

from collections.abc import Mapping, Sequence

from recommendation.clock import Clock
from recommendation.personal import ListSettings, personal_list
from recommendation.storage.database import Database
from recommendation.storage.dialects.writing import next_generation
from recommendation.storage.erasures import still_there
from recommendation.storage.lists import store_lists
from recommendation.storage.locks import share_with_erasure
from recommendation.storage.readers import UserState, read_users
from recommendation.view import StoreView


def generate_lists(
    database: Database, user_ids: Sequence[str], view: StoreView, settings: ListSettings, clock: Clock
) -> Mapping[str, UserState]:
    """
    Rank for some users and store their lists in one transaction.

    The number is taken before anything is read; whoever is erased after that is not written.

    Returns:
        The users as they were read, each with the list that was made; users without interactions have none.

    Raises:
        ModelMissing: nothing was trained yet.
        StoreUnavailable: as for `Database.writing`; nothing was written.
    """
    with database.writing() as connection:
        generation = next_generation(connection)
    with database.reading() as connection:
        states = read_users(connection, user_ids, settings.half_life_days is not None)
    known = [state for state in states.values() if state.events_seen]
    ranked = [personal_list(state, view, settings, generation, clock()) for state in known]
    made = [stored for stored in ranked if stored is not None]
    if made:
        with database.writing() as connection:
            share_with_erasure(connection)
            there = still_there(connection, [stored.user_id for stored in made], generation)
            made = [stored for stored in made if stored.user_id in there]
            store_lists(connection, made)
    for stored in made:
        states[stored.user_id].lists["cf"] = stored
    return states
