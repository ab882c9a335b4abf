"""Events that an experiment counts are remembered for as long as it counts them, and no longer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from shop import event, send
from sqlalchemy import select

from recommendation.catalogue.drop_store import put_drop
from recommendation.catalogue.drops import Drop
from recommendation.catalogue.games import Game
from recommendation.database.database import Database
from recommendation.database.tables import event_ids
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.experiments.store import put_experiment
from recommendation.interactions.erasures import erase_user
from recommendation.interactions.event_ids import event_key
from recommendation.operations.retention import forget_old

START = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
VARIANTS = (Variant("as-ever", 50), Variant("without", 50, placement=False))


def begin(database: Database, ends_at: datetime | None = None) -> None:
    with database.writing() as connection:
        put_experiment(connection, "e", lambda _: Experiment("e", VARIANTS, START, ends_at), START - 20 * DAY)


def bought(database: Database, day: int, kind: str = "purchased", user: str = "ann") -> None:
    at = START + day * DAY
    send(database, [event(user, "g1", kind, occurred_at=at.isoformat(), event_id=f"{kind}{day}")], at)


def remembered(database: Database, day: int) -> set[str]:
    """Forget as on a day; return the ids that are left."""
    names = [f"{kind}{day}" for kind in ("purchased", "played") for day in range(-30, 101)]
    with database.writing() as connection:
        forget_old(connection, START + day * DAY, 7 * DAY, 3)
        left = {row.event_id for row in connection.execute(select(event_ids.c.event_id))}
    return {name for name in names if event_key(name) in left}


def test_what_is_counted_is_remembered_from_before_the_start_to_the_last_window(database: Database) -> None:
    begin(database, ends_at=START + 30 * DAY)
    for day in (-15, -14, 0, 36, 37):
        bought(database, day)
    bought(database, 1, "played")
    assert remembered(database, 60) == {"purchased-14", "purchased0", "purchased36"}


@pytest.mark.parametrize(("day", "left"), [(30 + 89, {"purchased36"}), (30 + 90, set())])
def test_an_experiment_that_is_long_over_needs_nothing(day: int, left: set[str], database: Database) -> None:
    begin(database, ends_at=START + 30 * DAY)
    bought(database, 36)
    assert remembered(database, day) == left


def test_one_without_an_end_needs_the_last_90_days(database: Database) -> None:
    begin(database)
    bought(database, 1)
    bought(database, 50)
    assert remembered(database, 100) == {"purchased50"}


def test_what_a_drop_with_a_holdout_counts_is_remembered_from_four_weeks_before_it(database: Database) -> None:
    drop = Drop("uid", "autumn", 1, (Game("new"),), START, START, START + 14 * DAY, 2, 3, holdout_percent=10)
    with database.writing() as connection:
        put_drop(connection, drop, START)
        put_drop(connection, replace(drop, uid="plain", holdout_percent=None), START)
    for day in (-29, -28, 20, 21):
        bought(database, day)
    bought(database, 1, "played")
    assert remembered(database, 50) == {"purchased-28", "purchased20"}
    assert remembered(database, 21 + 90) == set()


def test_without_an_experiment_ids_go_with_their_retention(database: Database) -> None:
    bought(database, 1)
    bought(database, 9)
    assert remembered(database, 10) == {"purchased9"}


def test_the_id_of_an_erased_person_is_needed_by_none(database: Database) -> None:
    begin(database)
    bought(database, 1)
    with database.writing() as connection:
        erase_user(connection, "ann", START + 2 * DAY)
    assert remembered(database, 20) == set()
