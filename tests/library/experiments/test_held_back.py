"""Who is in the holdout of a drop, and what of it is measured."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendation.catalogue.drop_store import end_drop, get_drop, put_drop
from recommendation.catalogue.drops import Drop, StandingDrop
from recommendation.catalogue.games import Game
from recommendation.database.database import Database
from recommendation.experiments.holdout import holdout_of, is_held_back, measured

NOW = datetime(2026, 11, 28, tzinfo=UTC)
DAY = timedelta(days=1)
STANDING = StandingDrop("uid", frozenset({"g1"}), NOW, NOW + DAY, 1, 1, 10)
DROP = Drop("uid", "autumn", 1, (Game("g1"),), NOW - 3 * DAY, NOW - 3 * DAY, NOW + 11 * DAY, 2, 3, holdout_percent=10)


@given(st.uuids().map(str), st.text(min_size=1, max_size=128), st.integers(1, 50))
def test_a_user_is_held_back_by_a_keyed_hash_of_drop_and_user(uid: str, user: str, percent: int) -> None:
    user = user.encode(errors="replace").decode()
    key = blake2b(f"variant:drop/{uid}".encode(), digest_size=32, person=b"experiment key").digest()
    part = int.from_bytes(blake2b(user.encode(), digest_size=8, key=key).digest(), "big") % 100
    holdout = holdout_of(replace(STANDING, uid=uid, holdout_percent=percent))
    assert holdout is not None
    assert is_held_back(holdout, user) is (part < percent)


@pytest.mark.parametrize("percent", [1, 10, 50])
def test_holdouts_have_their_share_and_two_drops_have_others(percent: int) -> None:
    users = [f"u{number}" for number in range(20_000)]
    first, second = (holdout_of(replace(STANDING, uid=uid, holdout_percent=percent)) for uid in ("a", "b"))
    assert first is not None
    assert second is not None
    held = [user for user in users if is_held_back(first, user)]
    both = sum(is_held_back(second, user) for user in held)
    share = percent / 100
    assert abs(len(held) - 20_000 * share) < 4 * (20_000 * share * (1 - share)) ** 0.5
    assert abs(both - len(held) * share) < 4 * (len(held) * share * (1 - share)) ** 0.5


def test_a_drop_without_a_holdout_and_a_basket_are_left_alone() -> None:
    assert holdout_of(replace(STANDING, holdout_percent=None)) is None
    holdout = holdout_of(replace(STANDING, holdout_percent=50))
    assert holdout is not None
    assert not is_held_back(holdout, "")


def put(database: Database, drop: Drop, now: datetime) -> Drop:
    with database.writing() as connection:
        put_drop(connection, drop, now)
        found = get_drop(connection, drop.uid)
    assert found is not None
    return found


def test_it_is_measured_from_when_its_places_begin(database: Database) -> None:
    first = put(database, DROP, NOW)
    again = put(database, replace(DROP, generation=2), NOW + 2 * DAY)
    assert first.measured_from == again.measured_from == NOW  # it was known three days after its release
    assert again.generation == 2
    ahead = put(database, replace(DROP, uid="ahead", released_at=NOW + 5 * DAY), NOW)
    assert ahead.measured_from == NOW + 5 * DAY
    none = put(database, replace(DROP, uid="none", holdout_percent=None), NOW)
    assert (none.measured_from, measured(none)) == (None, None)


@pytest.mark.parametrize(("ended", "end"), [(None, 11), (2, 2), (-1, 0), (12, 11)])
def test_it_is_measured_until_its_places_end(database: Database, ended: int | None, end: int) -> None:
    put(database, DROP, NOW)
    with database.writing() as connection:
        if ended is not None:
            end_drop(connection, "uid", NOW + ended * DAY)
        found = get_drop(connection, "uid")
    assert found is not None
    holdout = measured(found)
    assert holdout is not None
    assert (holdout.starts_at, holdout.ends_at) == (NOW, NOW + end * DAY)
    assert [(variant.name, variant.share) for variant in holdout.variants] == [("held-back", 10), ("placed", 90)]
