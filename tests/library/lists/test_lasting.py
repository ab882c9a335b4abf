"""How long a page stays what it is while nothing but time passes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from users import user_of

from recommendation.catalogue.drops import StandingDrop
from recommendation.catalogue.games import Catalogue, Game, parse_change
from recommendation.catalogue.store import put_games
from recommendation.clock import rfc3339
from recommendation.database.database import Database
from recommendation.experiments.experiment import Experiment
from recommendation.lists.first_party import FirstPartyItem, FirstPartyList, encode_first_party
from recommendation.lists.lasting import lasts_until, shows_popular
from recommendation.lists.order import Candidate, Origin, Reason
from recommendation.lists.page import ActiveList
from recommendation.lists.stored import StoredList
from recommendation.lists.view import StoreView
from recommendation.lists.view_store import ViewLoader

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
VIEW = StoreView(Catalogue.of([Game("g1"), Game("g2", released_at=NOW - 9 * MINUTE)]), made_at=NOW - MINUTE)
PAST, SOON, LATER = NOW - 5 * MINUTE, NOW + 5 * MINUTE, NOW + 7 * MINUTE


def an_experiment(starts_at: datetime, ends_at: datetime | None) -> Experiment:
    return Experiment("x", (), starts_at, ends_at)


def listed(*sources: str, was_folded_in: bool = False) -> ActiveList:
    items = [Candidate(Game(f"g{n}"), 1.0, Reason("r", "R"), Origin(source)) for n, source in enumerate(sources)]
    return ActiveList("ann", items, frozenset(), "v1", NOW, True, was_folded_in)


def expiring(*moments: datetime) -> list[FirstPartyItem]:
    return [FirstPartyItem(f"g{n}", 1.0, expires_at=moment) for n, moment in enumerate(moments)]


@pytest.mark.parametrize(
    "view",
    [
        replace(VIEW, catalogue=Catalogue.of([Game("g1", released_at=LATER), Game("g2", released_at=SOON)])),
        replace(VIEW, drops=(StandingDrop("d", frozenset({"g1"}), SOON, LATER, 1, 1),)),
        replace(VIEW, drops=(StandingDrop("d", frozenset({"g1"}), PAST, SOON, 1, 1),)),
        replace(VIEW, everyone={"editorial": FirstPartyList(NOW, expiring(PAST, LATER, SOON))}),
        replace(VIEW, experiments=(an_experiment(SOON, None),)),
        replace(VIEW, experiments=(an_experiment(PAST, SOON),)),
    ],
    ids=[
        "a release",
        "a drop begins",
        "a drop ends",
        "an item for everyone expires",
        "an experiment begins",
        "an experiment ends",
    ],
)
def test_a_page_ends_with_the_next_moment_that_changes_the_view(view: StoreView) -> None:
    user = user_of({}, NOW)
    assert lasts_until(listed(), user, view, NOW) == SOON
    assert lasts_until(listed(), user, view, SOON) > SOON


def test_a_page_ends_with_the_next_expiry_among_the_users_own_items() -> None:
    row = StoredList("ann", "rule:x", 1, NOW, encode_first_party(expiring(PAST, LATER, SOON)))
    assert lasts_until(listed(), user_of({}, NOW, row), VIEW, NOW) == SOON


def test_a_fold_in_ends_with_the_hour_and_any_page_within_one() -> None:
    user = user_of({"g1": "owned"}, NOW)
    assert lasts_until(listed(was_folded_in=True), user, VIEW, NOW) == NOW + 30 * MINUTE
    assert lasts_until(listed(), user, VIEW, NOW) == NOW + 60 * MINUTE


def test_popular_games_matter_where_they_fill_a_page_up() -> None:
    assert not shows_popular(listed("cf", "editorial"), 2)
    assert shows_popular(listed("cf", "popular"), 2)
    assert shows_popular(listed("cf", "cf"), 3)


def test_a_view_knows_whether_a_game_was_released_since_it_was_made() -> None:
    view = replace(VIEW, catalogue=Catalogue.of([Game("g1", released_at=SOON), Game("g2", released_at=PAST)]))
    assert not view.has_released_by(SOON - MINUTE)
    assert view.has_released_by(SOON)


def test_views_have_one_edition_until_something_changes_or_is_released(database: Database) -> None:
    loader = ViewLoader(2**20)

    def edition_at(now: datetime) -> int:
        with database.reading() as connection:
            return loader.load(connection, now).edition

    with database.writing() as connection:
        put_games(connection, [parse_change({"game_id": "g1", "released_at": rfc3339(LATER)})], NOW)
    first = edition_at(NOW)
    assert edition_at(NOW + 2 * MINUTE) == first
    assert loader.view.made_at == NOW + 2 * MINUTE
    assert edition_at(LATER - SECOND) == first
    assert edition_at(LATER) == first + 1
    assert loader.view.made_at == LATER  # though it was a second old
    assert edition_at(LATER + 2 * MINUTE) == first + 1
    with database.writing() as connection:
        put_games(connection, [parse_change({"game_id": "g1", "title": "T"})], NOW)
    assert edition_at(LATER + 3 * MINUTE) == first + 2
