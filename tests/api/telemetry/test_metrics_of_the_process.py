"""Counters and gauges of one process: bounded labels that are there at 0, and what is counted when."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from shop import record

from recommendation.catalogue.games import Catalogue, Game
from recommendation.database.database import Database
from recommendation.interactions.events import parse_interactions
from recommendation.lists.order import Candidate, Origin, Reason
from recommendation.lists.page import ActiveList
from recommendation.lists.reads import read_users
from recommendation.lists.user import UserState
from recommendation.lists.view import StoreView
from recommendation.weights import parse_weights
from recommendation_api.telemetry.leak_check import ONE_IN, LeakCheck
from recommendation_api.telemetry.metrics import Metrics, RecentShare

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WEIGHTS = parse_weights("reviewed:1")


@pytest.fixture
def metrics(database: Database) -> Iterator[Metrics]:
    made = Metrics(database, WEIGHTS)
    yield made
    made.close()


def interact(database: Database, *events: tuple[str, str, str]) -> None:
    rows = [{"user_id": user, "game_id": game, "event_type": kind} for user, game, kind in events]
    parsed, refused = parse_interactions(rows, WEIGHTS, NOW)
    assert not refused
    with database.writing() as connection:
        record(connection, parsed, NOW)


def state_of(database: Database, user: str) -> UserState:
    with database.reading() as connection:
        return read_users(connection, [user])[user]


def listing(*games: str, is_personal: bool = True, was_folded_in: bool = False) -> ActiveList:
    items = [Candidate(Game(game), 1.0, Reason("for_you", "Chosen for you"), Origin("cf")) for game in games]
    return ActiveList("u", items, frozenset(), "v1", NOW, is_personal, was_folded_in)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"recommendation_{name}", labels)


def test_every_label_is_there_at_zero_from_the_start(metrics: Metrics) -> None:
    for event_type in ("purchased", "played", "wishlisted", "clicked", "viewed", "refunded", "dismissed", "reviewed"):
        assert value(metrics, "interactions_created_total", event_type=event_type) == 0
    for made in ("stored", "folded_in", "popular", "newcomer"):
        assert value(metrics, "reads_total", made=made) == 0
    for result in ("clean", "leak", "changed", "unavailable"):
        assert value(metrics, "answers_rechecked_total", result=result) == 0
    for cause in ("shed", "unavailable", "fault", "too_slow"):
        assert value(metrics, "ingest_errors_total", cause=cause) == 0
    for action in ("clicked", "dismissed", "purchased", "wishlisted"):
        for source in ("editorial", "rule", "drop", "cf", "popular", "unknown"):
            assert value(metrics, "feedback_total", action=action, source=source) == 0
    for name in ("owned_leak_total", "fallback_ratio", "interactions_rejected_total", "interactions_duplicate_total"):
        assert value(metrics, name) == 0


def test_lists_are_counted_by_how_they_came_about(database: Database, metrics: Metrics) -> None:
    interact(database, ("u", "g1", "viewed"))
    known, stranger = state_of(database, "u"), state_of(database, "stranger")
    metrics.served(known, listing("g2"))
    metrics.served(known, listing("g2", was_folded_in=True))
    metrics.served(known, listing("g2", is_personal=False))
    metrics.served(stranger, listing("g2", is_personal=False))
    assert [value(metrics, "reads_total", made=made) for made in ("stored", "folded_in", "popular", "newcomer")] == [
        1,
        1,
        1,
        1,
    ]
    assert value(metrics, "fallback_ratio") == pytest.approx(1 / 3)


def test_a_share_forgets_what_is_older_than_its_window() -> None:
    time = [0.0]
    share = RecentShare(300.0, lambda: time[0])
    share.add(True)
    time[0] = 200.0
    share.add(False)
    assert share.share() == 0.5
    time[0] = 320.0
    assert share.share() == 0.0
    time[0] = 1000.0
    assert share.share() == 0.0


def checks(database: Database, *answers: tuple[UserState, list[str]]) -> list[tuple[str, int]]:
    told: list[tuple[str, int]] = []
    check = LeakCheck(database, lambda result, leaked: told.append((result, leaked)))
    for state, games in answers:
        check.saw(state.user_id, state.events_seen, games)
    check.close()
    return told


def test_an_owned_game_in_a_list_is_found_by_another_query(database: Database, metrics: Metrics) -> None:
    interact(database, ("u", "g1", "purchased"), ("u", "g2", "viewed"))
    state = state_of(database, "u")
    assert checks(database, (state, ["g1", "g2", "g3"])) == [("leak", 1)]
    metrics.served(state, listing("g1", "g3"))
    metrics.close()
    assert value(metrics, "owned_leak_total") == 1
    assert value(metrics, "answers_rechecked_total", result="leak") == 1


def test_a_list_without_owned_games_is_clean(database: Database) -> None:
    interact(database, ("u", "g1", "purchased"), ("u", "g2", "viewed"))
    assert checks(database, (state_of(database, "u"), ["g2", "g3"])) == [("clean", 0)]


def test_a_game_bought_after_the_answer_is_no_leak(database: Database) -> None:
    interact(database, ("u", "g2", "viewed"))
    before = state_of(database, "u")
    interact(database, ("u", "g1", "purchased"))
    assert checks(database, (before, ["g1"])) == [("changed", 0)]


def test_one_answer_in_a_thousand_is_checked_the_first_among_them(database: Database) -> None:
    state = state_of(database, "stranger")
    assert checks(database, *[(state, ["g1"])] * ONE_IN) == [("clean", 0)]


def test_a_store_that_is_away_is_no_leak(tmp_path: Any) -> None:
    gone = Database("postgresql://absent@127.0.0.1:1/none")
    assert checks(gone, (UserState("u"), ["g1"])) == [("unavailable", 0)]


def test_what_a_process_serves_from_is_told(metrics: Metrics) -> None:
    view = [StoreView()]
    metrics.watch_view(lambda: view[0])
    assert value(metrics, "model_loaded") == 0
    assert value(metrics, "view_age_seconds") is None
    view[0] = StoreView(catalogue=Catalogue(), made_at=datetime.now(UTC))
    age = value(metrics, "view_age_seconds")
    assert age is not None
    assert 0 <= age < 60
