"""What goes in and out of the store in bulk is what goes in and out row by row, on both databases."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from shop import record
from sqlalchemy import select

from recommendation.database.database import Database
from recommendation.database.tables import user_game_interactions
from recommendation.interactions import bulk as imports
from recommendation.interactions.events import Interaction
from recommendation.interactions.stream import stream_users
from recommendation.lists.reads import read_users
from recommendation.lists.store import WORTH_COPYING, lists_of, store_lists
from recommendation.lists.stored import EVERYONE, StoredList, pack
from recommendation.matrix.extract import read_matrix

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
DAY = timedelta(days=1)
ODD = ("a,b", 'q"uote', "back\\slash", "ünï", "用户", "NULL", "\\.", "a b", "%s")


def fill(database: Database) -> None:
    kinds = ("viewed", "played", "dismissed", "refunded")
    events = [
        Interaction(user, game, kinds[place % 4], 1_000_000 * (place + 1), NOW - place * DAY)
        for user in ODD
        for place, game in enumerate(ODD)
        if user != game
    ]
    with database.writing() as connection:
        record(connection, list(enumerate(events)), NOW, frozenset({"played"}))


def test_a_stream_of_users_says_what_reading_each_says(database: Database) -> None:
    fill(database)
    with database.snapshot() as connection:
        blocks = list(stream_users(connection, 4, with_times=True))
        known = read_users(connection, ODD, with_times=True)
    assert [user for block in blocks for user in block.user_ids] == sorted(ODD, key=str.encode)
    for block in blocks:
        for place, user in enumerate(block.user_ids):
            rows = range(int(block.indptr[place]), int(block.indptr[place + 1]))
            times = block.last_event_at
            assert times is not None
            scores = block.scores(None, NOW)
            streamed = {
                (block.game_ids[row], float(scores[row]), bool(block.hidden[row]), int(times[row])) for row in rows
            }
            state = known[user]
            assert state.last_event_at is not None
            columns = (state.scores(None, NOW), state.are_hidden, state.last_event_at)
            read = set(zip(state.game_ids, *(column.tolist() for column in columns), strict=True))
            assert streamed == read
            assert int(block.events[place]) == known[user].events_seen


def test_the_matrix_holds_every_pair_with_its_faded_score(database: Database) -> None:
    fill(database)
    with database.snapshot() as connection:
        plain, faded = read_matrix(connection, None, NOW), read_matrix(connection, 2.0, NOW)
    order = sorted(ODD, key=str.encode)
    assert (plain.users.all_ids, plain.games.all_ids) == (order, order)
    for user_row, user in enumerate(order):
        rows, scores = plain.row(user_row)
        expected = [(order.index(game), float(ODD.index(game) + 1)) for game in order if game != user]
        assert list(zip(rows.tolist(), scores.tolist(), strict=True)) == expected
        ages = np.array([ODD.index(order[row]) for row in rows])
        np.testing.assert_allclose(faded.row(user_row)[1], scores * 2.0 ** (-ages / 2.0), rtol=1e-6)


def test_the_matrix_of_an_empty_store_is_empty(database: Database) -> None:
    with database.snapshot() as connection:
        assert read_matrix(connection, None, NOW).shape == (0, 0)


def test_pairs_that_another_writer_made_known_meanwhile_are_added_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_are_strangers", lambda *_given: True)
    once = pa.table(
        {
            "user_id": ["a", "a", "b"],
            "game_id": ["x", "y", "x"],
            "score_millionths": [1, 20, 300],
            "events": [1, 1, 1],
            "owned": [False, False, True],
            "owned_at": pa.array([None, None, NOW], pa.timestamp("us", "UTC")),
            "dismissed": [False] * 3,
            "dismissed_at": pa.nulls(3, pa.timestamp("us", "UTC")),
            "first_event_at": pa.array([NOW] * 3, pa.timestamp("us", "UTC")),
            "last_event_at": pa.array([NOW] * 3, pa.timestamp("us", "UTC")),
        }
    )
    for part in (once.slice(1, 1), once, once):
        with database.writing() as connection:
            imports.merge_table(connection, part)
    with database.reading() as connection:
        rows = connection.execute(select(user_game_interactions)).all()
    scores = {(row.user_id, row.game_id): row.score_millionths for row in rows}
    assert scores == {("a", "x"): 2, ("a", "y"): 60, ("b", "x"): 600}


def test_many_lists_are_stored_as_few_are_and_only_by_a_higher_generation(database: Database) -> None:
    names = [EVERYONE, *ODD, *(f"user-{number}" for number in range(WORTH_COPYING))]
    items = pack([1, 2], [0.5, 0.25], [3, -1])
    lists = [StoredList(name, "cf", 5, NOW, items, None if name == "ünï" else "v1", 7) for name in names]
    with database.writing() as connection:
        store_lists(connection, lists)
        store_lists(connection, [StoredList(name, "cf", 4, NOW, b"", "v0", 1) for name in names])
    with database.reading() as connection:
        assert sorted(lists_of(connection, names), key=lambda row: row.user_id) == sorted(
            lists, key=lambda row: row.user_id
        )
