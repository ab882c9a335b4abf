"""What a drop's places earned, held against formulas that stand here once more, in plain Python."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from math import log, sqrt
from random import Random
from statistics import mean, variance
from typing import Any

import pytest
from shop import OWNING, WEIGHTS, event, send

from recommendation.catalogue.drop_store import end_drop, get_drop, put_drop
from recommendation.catalogue.drops import Drop
from recommendation.catalogue.games import Game
from recommendation.database.database import Database
from recommendation.experiments.holdout import measured
from recommendation.experiments.lift import lift
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.feedback import parse_feedback
from recommendation.interactions.store import record_all, store_feedback

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = START + 12 * DAY
END = START + 14 * DAY
DROP = Drop("uid", "autumn", 1, (Game("new-1"), Game("new-2")), START, START, END, 2, 3, holdout_percent=25)


def announce(database: Database, drop: Drop = DROP) -> None:
    with database.writing() as connection:
        put_drop(connection, drop, START)


def said(database: Database, *rows: tuple[str, str, str, datetime]) -> None:
    """Keep feedback of (user, action, game, time), as the API does."""
    given = [
        parse_feedback({"user_id": user, "game_id": game, "action": action, "occurred_at": at.isoformat()}, WEIGHTS, at)
        for user, action, game, at in rows
    ]
    with database.writing() as connection:
        record_all(connection, [[(n, one.interaction) for n, one in enumerate(given)]], OWNING, NOW)
        store_feedback(connection, given)


def told(database: Database, now: datetime = NOW, own_games: bool = True) -> dict[str, Any]:
    with database.snapshot() as connection:
        drop = get_drop(connection, "uid")
        assert drop is not None
        holdout = measured(drop)
        assert holdout is not None
        return lift(connection, drop, holdout, "purchased", own_games, now)


def is_held_back(user: str) -> bool:
    key = blake2b(b"variant:drop/uid", digest_size=32, person=b"experiment key").digest()
    return int.from_bytes(blake2b(user.encode(), digest_size=8, key=key).digest(), "big") % 100 < 25


def shopping(users: int, own: float, held_own: float) -> Iterator[tuple[str, str, str, datetime]]:
    """What users are shown and buy: some buy much and some little, before the drop and after it."""
    chance = Random(11)
    for user in (f"u{number}" for number in range(users)):
        taste = chance.gammavariate(0.7, 1.0)
        yield user, "shown", "old", START + DAY
        yield user, "shown", "new-1", START + 2 * DAY
        for _ in range(round(chance.expovariate(1) * taste)):
            yield user, "purchased", "old", START - chance.uniform(0.1, 27.9) * DAY
        if chance.random() < (held_own if is_held_back(user) else own) * min(1.0, 0.5 + taste):
            yield user, "purchased", chance.choice(["new-1", "new-2"]), START + chance.uniform(1.1, 7.9) * DAY
        if chance.random() < 0.3:
            yield user, "purchased", "old", START + chance.uniform(1.1, 7.9) * DAY
        if chance.random() < 0.1:
            yield user, "purchased", "new-1", START + chance.uniform(8.1, 9) * DAY  # the window is over


def reckoned(rows: list[tuple[str, str, str, datetime]], games: set[str]) -> dict[str, float]:
    """The same numbers by hand: adjusted means, Welch's variance, and the interval of theorem 2.2 at 10,000 users."""
    after = dict.fromkeys((user for user, *_ in rows), 0)
    before = dict(after)
    for user, action, game, at in rows:
        if action == "purchased" and at < START:
            before[user] += 1
        elif action == "purchased" and game in games and START + DAY <= at < START + 8 * DAY:
            after[user] += 1
    groups = [[user for user in after if is_held_back(user) is held] for held in (True, False)]
    above = below = 0.0
    for group in groups:
        centre = mean(before[user] for user in group)
        above += sum((before[user] - centre) * after[user] for user in group)
        below += sum((before[user] - centre) ** 2 for user in group)
    held, placed = ([after[user] - above / below * before[user] for user in group] for group in groups)
    error = sqrt(variance(held) / len(held) + variance(placed) / len(placed))
    tight = 2 * log(1 / 0.05)
    scale = (tight + log(tight) + 1) / 10_000 * len(after)
    width = error * sqrt(2 * (1 + 1 / scale) * (log(1 / 0.05) + log(1 + scale) / 2))
    return {
        "difference": mean(placed) - mean(held),
        "low": mean(placed) - mean(held) - width,
        "high": mean(placed) - mean(held) + width,
    }


@pytest.mark.parametrize("own_games", [True, False])
def test_the_numbers_are_those_that_a_second_formula_gives(database: Database, own_games: bool) -> None:
    announce(database)
    rows = list(shopping(900, own=0.6, held_own=0.2))
    said(database, *rows)
    found = told(database, own_games=own_games)
    by_hand = reckoned(rows, {"new-1", "new-2"} if own_games else {"new-1", "new-2", "old"})
    assert {name: found[name] for name in by_hand} == pytest.approx(by_hand, rel=1e-9)
    held = sum(is_held_back(f"u{number}") for number in range(900))
    assert (found["held_back"]["counted"], found["placed"]["counted"]) == (held, 900 - held)
    assert found["games"] == ("drop" if own_games else "all")
    assert found["state"] == "Significant"
    assert found["p_value"] <= 0.05
    assert found["sample_ratio"]["mismatch"] is False


def test_without_a_difference_it_collects_and_then_has_no_effect(database: Database) -> None:
    announce(database)
    said(database, *shopping(700, own=0.4, held_own=0.4))
    states = [(told(database, now)["state"], told(database, now)["is_final"]) for now in (NOW, END + 7 * DAY)]
    assert states == [("Collecting", False), ("NoEffect", True)]


def test_users_count_once_their_window_is_over_and_too_few_are_said_at_the_end(database: Database) -> None:
    announce(database)
    said(database, *((f"u{number}", "shown", "old", START + DAY) for number in range(40)))
    early, late = told(database, START + 8 * DAY - DAY / 24), told(database, START + 8 * DAY)
    assert early["held_back"]["counted"] + early["placed"]["counted"] == 0
    assert early["held_back"]["exposed"] + early["placed"]["exposed"] == 40
    assert late["held_back"]["counted"] + late["placed"]["counted"] == 40
    assert (late["state"], late["difference"]) == ("Collecting", None)
    last = told(database, END + 7 * DAY)
    assert (last["state"], last["is_final"], last["last_look_at"]) == ("TooFewUsers", True, "2026-11-22T00:00:00Z")


def test_a_drop_that_was_deleted_is_measured_until_then(database: Database) -> None:
    announce(database)
    said(database, ("ann", "shown", "old", START + DAY), ("ben", "shown", "old", START + 3 * DAY))
    with database.writing() as connection:
        end_drop(connection, "uid", START + 2 * DAY)
    found = told(database)
    assert found["held_back"]["exposed"] + found["placed"]["exposed"] == 1
    assert (found["ends_at"], found["last_look_at"]) == ("2026-11-03T00:00:00Z", "2026-11-10T00:00:00Z")


def test_events_by_id_count_and_an_erased_person_does_not(database: Database) -> None:
    announce(database)
    said(database, ("ann", "shown", "old", START + DAY), ("ben", "shown", "old", START + DAY))
    for user in ("ann", "ben"):
        at = START + 2 * DAY
        send(database, [event(user, "new-1", "purchased", occurred_at=at.isoformat(), event_id=f"e-{user}")], at)
    found = told(database)
    assert sum((found[group]["mean"] or 0) * found[group]["counted"] for group in ("held_back", "placed")) == 2
    with database.writing() as connection:
        erase_user(connection, "ben", NOW)
    found = told(database)
    assert found["held_back"]["exposed"] + found["placed"]["exposed"] == 1


def test_before_its_release_nothing_is_counted(database: Database) -> None:
    announce(database, replace(DROP, released_at=START + 20 * DAY, ends_at=START + 34 * DAY))
    said(database, ("ann", "shown", "old", START + DAY))
    found = told(database)
    assert (found["starts_at"], found["state"]) == ("2026-11-21T00:00:00Z", "Collecting")
    assert found["held_back"]["exposed"] + found["placed"]["exposed"] == 0
