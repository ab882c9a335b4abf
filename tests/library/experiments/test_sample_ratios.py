"""Whether users of a variant are missing, as an alert is told of it."""

from datetime import UTC, datetime, timedelta

import pytest
from shop import WEIGHTS
from sqlalchemy import select

from recommendation.catalogue.drop_store import end_drop, put_drop
from recommendation.catalogue.drops import Drop
from recommendation.catalogue.games import Game
from recommendation.database.database import Database
from recommendation.database.tables import sample_ratios
from recommendation.experiments.experiment import Experiment, Variant
from recommendation.experiments.holdout import measured
from recommendation.experiments.report import sample_ratio
from recommendation.experiments.sample_ratios import count_sample_ratios, keep_sample_ratios, mismatches
from recommendation.experiments.store import delete_experiment, put_experiment
from recommendation.interactions.feedback import parse_feedback
from recommendation.interactions.store import store_feedback

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = START + DAY
VARIANTS = (Variant("as-ever", 90), Variant("without", 10, placement=False))
DROP = Drop("uid", "autumn", 1, (Game("new"),), START, START, START + 14 * DAY, 2, 3, holdout_percent=10)
NONE = {"experiment": 0, "drop": 0}


def began(database: Database) -> None:
    with database.writing() as connection:
        put_experiment(connection, "e", lambda start: Experiment("e", VARIANTS, start), START)
        put_drop(connection, DROP, START)
        put_drop(connection, Drop(**{**vars(DROP), "uid": "plain", "holdout_percent": None}), START)


def shown(database: Database, users: list[str]) -> None:
    at = START + DAY / 2
    row = {"game_id": "g1", "action": "shown", "occurred_at": at.isoformat()}
    with database.writing() as connection:
        store_feedback(connection, [parse_feedback({**row, "user_id": user}, WEIGHTS, at) for user in users])


def counted(database: Database, now: datetime = NOW) -> dict[str, int]:
    with database.snapshot() as connection:
        found = count_sample_ratios(connection, now)
    with database.writing() as connection:
        keep_sample_ratios(connection, found)
    return told(database, now)


def told(database: Database, now: datetime = NOW) -> dict[str, int]:
    with database.reading() as connection:
        return mismatches(connection, now)


USERS = [f"u{number}" for number in range(1000)]


def without_those_of(experiment: Experiment, variant: int) -> list[str]:
    """Users of whom nine of ten in a variant are missing."""
    lost = [user for user in USERS if experiment.variant_of(user) == experiment.variants[variant]]
    return sorted(set(USERS) - set(lost[len(lost) // 10 :]))


def test_nothing_is_missing_where_nothing_runs_or_everyone_was_shown_a_list(database: Database) -> None:
    assert told(database) == NONE
    assert counted(database) == NONE
    began(database)
    assert counted(database) == NONE
    shown(database, USERS)
    assert counted(database) == NONE


def test_an_experiment_that_lacks_users_is_told_until_it_ends_or_is_deleted(database: Database) -> None:
    began(database)
    shown(database, without_those_of(Experiment("e", VARIANTS, START), 1))
    assert counted(database) == {"experiment": 1, "drop": 0}
    with database.writing() as connection:
        put_experiment(connection, "e", lambda start: Experiment("e", VARIANTS, start, NOW + DAY), NOW)
    assert told(database, NOW + DAY / 2) == {"experiment": 1, "drop": 0}
    assert told(database, NOW + DAY) == NONE
    with database.writing() as connection:
        delete_experiment(connection, "e", NOW)
    assert told(database) == NONE
    with database.writing() as connection:
        put_experiment(connection, "e", lambda start: Experiment("e", VARIANTS, start), NOW + DAY)
    assert told(database, NOW + 2 * DAY) == NONE  # another of the same name


def test_a_drop_that_lacks_users_held_back_is_told_until_its_places_end(database: Database) -> None:
    began(database)
    holdout = measured(DROP)
    assert holdout is not None
    shown(database, without_those_of(holdout, 0))
    assert counted(database) == {"experiment": 0, "drop": 1}
    assert told(database, START + 14 * DAY) == NONE
    with database.writing() as connection:
        end_drop(connection, "uid", NOW)
    assert told(database) == NONE


def test_each_count_replaces_the_one_before_and_names_no_one(database: Database) -> None:
    began(database)
    shown(database, without_those_of(Experiment("e", VARIANTS, START), 1))
    counted(database)
    shown(database, USERS)
    assert counted(database) == NONE
    with database.reading() as connection:
        rows = connection.execute(select(sample_ratios.c.kind, sample_ratios.c.name, sample_ratios.c.users)).all()
    assert sorted(map(tuple, rows)) == [("drop", "uid", 1000), ("experiment", "e", 1000)]
    assert counted(database, START + 100 * DAY) == NONE
    with database.reading() as connection:
        assert connection.execute(select(sample_ratios.c.kind)).scalars().all() == ["experiment"]


@pytest.mark.parametrize(
    ("exposed", "mismatch"), [([2, 3], False), ([30, 19], False), ([31, 19], True), ([850, 150], True), ([0, 0], False)]
)
def test_too_few_users_are_no_mismatch(exposed: list[int], mismatch: bool) -> None:
    """Of 49 users a tenth are 4.9: the test is believed from 5 on."""
    assert sample_ratio(exposed, [90, 10])["mismatch"] is mismatch
