"""An event that is taken back by its id leaves what would be there had it never been sent."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop import OWNING, START, WEIGHTS, at_once, event, pairs, record, send
from sqlalchemy import select

from recommendation.database.database import Database
from recommendation.database.tables import event_ids, user_lists
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.events import Interaction, parse_interactions
from recommendation.interactions.pairs import fold
from recommendation.interactions.taking_back import TakenBack, take_back_event
from recommendation.lists.store import store_lists
from recommendation.lists.stored import StoredList
from recommendation.weights import SHOWN

LATER = START + timedelta(hours=1)
EXAMPLE = itertools.count()
Row = dict[str, Any]


def take_back(database: Database, event_id: str) -> TakenBack | None:
    with database.writing() as connection:
        return take_back_event(connection, event_id, OWNING, LATER)


def rows_of(database: Database, user: str) -> list[tuple[Any, ...]]:
    return [row for row in pairs(database) if row[0] == user]


def never_sent(events: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Return the rows of the pairs that some events would make."""
    parsed, refused = parse_interactions(events, WEIGHTS, START)
    assert not refused
    changes = fold([one for _, one in parsed], OWNING)
    fields = ("user_id", "game_id", "score", "events", "owned", "owned_at", "dismissed", "dismissed_at")
    return [tuple(getattr(one, name) for name in (*fields, "first_event_at", "last_event_at")) for one in changes]


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[list[Row]], list[str], bool]:
    """Some transactions of a user's events, the ids to take back, and whether every event has an id."""
    all_named = draw(st.booleans())
    user = f"user-{next(EXAMPLE)}"
    batches: list[list[Row]] = []
    for batch in range(draw(st.integers(1, 4))):
        batches.append([])
        for place in range(draw(st.integers(1, 3))):
            named = all_named or draw(st.booleans())
            # Events with an id may come late. Those without happen after what came before, and never at one moment.
            ticks = st.integers(0 if named else 10 * batch, 10 * batch + 4)
            moment = START + timedelta(minutes=2 * draw(ticks) + named - 200)
            kind = draw(st.sampled_from(("purchased", "played", "refunded", "wishlisted", "viewed")))
            row = event(user, draw(st.sampled_from("ab")), kind, occurred_at=moment.isoformat())
            batches[-1].append({**row, "event_id": f"{user}-{batch}-{place}"} if named else row)
    ids = [row["event_id"] for rows in batches for row in rows if "event_id" in row]
    return batches, draw(st.permutations(ids))[: draw(st.integers(0, len(ids)))], all_named


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(life=lives())
def test_what_is_left_is_what_would_be_there_had_the_event_never_been_sent(
    life: tuple[list[list[Row]], list[str], bool], database: Database
) -> None:
    batches, ids, all_named = life
    for rows in batches:
        send(database, rows)
    for name in ids:
        taken = take_back(database, name)
        assert taken is not None
        assert taken.taken_now
    left = [row for rows in batches for row in rows if row.get("event_id") not in ids]
    shown, right = rows_of(database, batches[0][0]["user_id"]), never_sent(left)
    exact = slice(None) if all_named else slice(0, 8)
    assert [row[exact] for row in shown] == [row[exact] for row in right]


def test_a_second_time_changes_nothing_and_the_event_sent_again_is_a_duplicate(database: Database) -> None:
    row = event("ann", "g", "purchased", event_id="e-1")
    send(database, [row, event("ann", "g", "viewed")])
    first, before = take_back(database, "e-1"), pairs(database)
    again = take_back(database, "e-1")
    assert first is not None
    assert again is not None
    assert (first.taken_now, again.taken_now) == (True, False)
    assert first.taken_back_at == again.taken_back_at
    assert send(database, [row]).duplicates == 1
    assert pairs(database) == before


def test_eight_at_once_take_it_back_once(database: Database) -> None:
    send(database, [event("ann", "g", "played", event_id=f"e-{n}") for n in range(3)])
    ended = at_once(*[lambda: take_back(database, "e-1") for _ in range(8)])
    assert sum(one.value.taken_now for one in ended) == 1
    assert pairs(database)[0][2:4] == (6_000_000, 2)


@pytest.mark.parametrize("event_id", ["never", "of-an-erased"])
def test_an_id_of_which_nothing_is_known_takes_nothing_back(event_id: str, database: Database) -> None:
    send(database, [event("bob", "g", event_id="of-an-erased"), event("ann", "g", event_id="e-1")])
    with database.writing() as connection:
        erase_user(connection, "bob", LATER)
    before = pairs(database)
    assert take_back(database, event_id) is None
    assert pairs(database) == before


def test_an_erased_persons_events_are_known_by_their_ids_and_by_nothing_else(database: Database) -> None:
    send(database, [event("ann", "g", event_id="e-1")])
    with database.writing() as connection:
        assert erase_user(connection, "ann", LATER)["event_ids"] == 1
        (row,) = connection.execute(select(event_ids))
    assert [row.user_id, row.game_id, row.event_type, row.score_millionths, row.occurred_at] == [None] * 5


def test_what_was_shown_outdates_no_list_when_it_is_taken_back(database: Database) -> None:
    send(database, [event("ann", "g")])
    seen = Interaction("ann", "g", SHOWN, 0, START, "e-1")
    with database.writing() as connection:
        record(connection, [(0, seen)], START)
        store_lists(connection, [StoredList("ann", "cf", 1, START, b"12345678", "v1", 1)])
    take_back(database, "e-1")
    with database.reading() as connection:
        (row,) = connection.execute(select(user_lists))
    assert row.events_seen == 1
    assert len(pairs(database)) == 1


def test_a_list_that_is_being_made_from_the_event_does_not_pass_for_fresh(database: Database) -> None:
    send(database, [event("ann", "g", event_id="e-1"), event("ann", "h")])
    made_from_two = StoredList("ann", "cf", 1, START, b"12345678", "v1", 2)
    take_back(database, "e-1")
    with database.writing() as connection:
        store_lists(connection, [made_from_two])
    send(database, [event("ann", "i")])
    with database.reading() as connection:
        (row,) = connection.execute(select(user_lists))
    assert row.events_seen == -1
