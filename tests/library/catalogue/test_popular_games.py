"""Popular games: owners count, then interest; refunds and dismissals do not, and the sentence says what was counted."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import START, event, send

from recommendation.catalogue.popular import FEWEST_RECENT, count_popular, load_popular
from recommendation.catalogue.popularity import PopularGame
from recommendation.database.database import Database
from recommendation.database.tables import live_model, models, popular_games
from recommendation.training.models import ModelRow


def counted(database: Database, days: int | None = 90, now_after_days: int = 1) -> tuple[list[PopularGame], int | None]:
    with database.writing() as connection:
        assert count_popular(connection, days, START + timedelta(days=now_after_days))
    with database.reading() as connection:
        games, of_days = load_popular(connection)
    return list(games), of_days


def test_a_page_that_thousands_look_at_is_below_one_game_that_is_owned(database: Database) -> None:
    send(database, [event(f"u{n}", "looked-at", "viewed") for n in range(600)] + [event("u1", "owned", "purchased")])
    games, _ = counted(database)
    assert games == [("owned", 1, 1), ("looked-at", 600, 0)]
    assert [game.sentence(None) for game in games] == [
        "Popular: 1 player with it",
        "Popular: 600 users interested in it",
    ]
    assert games[0].score == 1.0 > games[1].score


def test_refunds_and_dismissals_do_not_count(database: Database) -> None:
    bought = [event(f"u{n}", "refunded", "purchased", occurred_at="2026-10-01T10:00:00Z") for n in range(3)]
    back = [event(f"u{n}", "refunded", "refunded", occurred_at="2026-10-02T10:00:00Z") for n in range(3)]
    send(database, [*bought, *back, event("u0", "kept"), event("u1", "free", "played", quantity=0)])
    assert counted(database)[0] == [("free", 1, 1), ("kept", 1, 1)]


def test_the_days_are_told_where_they_give_enough_games(database: Database) -> None:
    lately, long_ago = "2026-10-30T00:00:00Z", "2026-01-01T00:00:00Z"
    send(database, [event("u1", "classic", occurred_at=long_ago), event("u2", "classic", occurred_at=lately)])
    assert counted(database) == ([("classic", 2, 2)], None)
    send(database, [event("u9", f"g{number:03}", occurred_at=lately) for number in range(FEWEST_RECENT)])
    games, days = counted(database)
    assert (games[0], days, len(games)) == (("classic", 1, 1), 90, FEWEST_RECENT + 1)
    assert games[0].sentence(days) == "Popular: 1 player with it in the last 90 days"


@pytest.mark.parametrize("quality", [{}, {"popular": {"days": 7}}, {"popular": {"days": None}}])
def test_without_a_setting_the_live_model_says_how_far_back_users_count(
    database: Database, quality: dict[str, Any]
) -> None:
    old, lately = "2026-09-20T00:00:00Z", "2026-10-30T00:00:00Z"
    games = [event("u9", f"g{number:03}", occurred_at=lately) for number in range(FEWEST_RECENT)]
    send(database, [*games, event("u1", "classic", occurred_at=old)])
    assert counted(database, None)[1] == 90
    with database.writing() as connection:
        row = ModelRow("v1", 1, "run", START, "0" * 64, 1, 1, 1, 1, 1, 2, {}, quality)
        connection.execute(models.insert().values(vars(row)))
        connection.execute(live_model.update().values(version="v1"))
    found, days = counted(database, None)
    assert days == quality.get("popular", {"days": 90})["days"]
    assert ("classic" in {game.game_id for game in found}) == (days != 7)
    assert counted(database, 30)[1] == 30


def test_what_an_older_release_counted_is_replaced(database: Database) -> None:
    send(database, [event("u1", "kept"), event("u1", "same"), event("u2", "same")])
    rows = [{"game_id": "gone", "users": 9}, {"game_id": "kept", "users": 7}]
    with database.writing() as connection:
        connection.execute(popular_games.insert(), rows)
    with database.reading() as connection:
        assert load_popular(connection) == ([("gone", 9, 0), ("kept", 7, 0)], None)
    for _ in range(2):
        assert counted(database)[0] == [("same", 2, 2), ("kept", 1, 1)]


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 10_000)), max_size=12))
def test_the_order_of_games_is_the_order_of_their_scores(numbers: list[tuple[int, int]]) -> None:
    games = [PopularGame(f"g{place}", more + owners, owners) for place, (more, owners) in enumerate(numbers)]
    ordered = sorted(games, key=lambda game: (-game.owners, 0 if game.owners else -game.users, game.game_id))
    assert ordered == sorted(games, key=lambda game: (-game.score, game.game_id))
