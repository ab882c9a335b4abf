"""An experiment that began days ago, and what its users bought by variant."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from recommendation.database.database import Database
from recommendation.experiments.experiment import Experiment, parse_experiment
from recommendation.experiments.store import put_experiment

TYPES = frozenset({"purchased"})


def begun_days_ago(database_url: str, name: str, body: Mapping[str, Any], days: int = 10) -> Experiment:
    """Put an experiment as someone did some days ago; over HTTP none begins in the past."""
    then = datetime.now(UTC) - timedelta(days=days)
    database = Database(database_url)
    try:
        with database.writing() as connection:
            return put_experiment(connection, name, lambda start: parse_experiment(name, body, TYPES, start), then)
    finally:
        database.close()


def bought_by_variant(experiment: Experiment, users: int, bought: Mapping[str, int]) -> list[dict[str, Any]]:
    """
    Return feedback of users who were shown a list an hour after the start, and bought within another.

    Args:
        users: so many are drawn.
        bought: purchases of each user of a variant; every other user makes one more.
    """
    at = experiment.starts_at + timedelta(hours=1)
    rows = []
    for number in range(users):
        user = f"x{number:04}"
        variant = experiment.variant_of(user)
        times = bought[variant.name] + number % 2 if variant else 0
        moments = [("shown", at), *(("purchased", at + timedelta(minutes=1 + time)) for time in range(times))]
        rows += [
            {"user_id": user, "game_id": "g00", "action": action, "occurred_at": moment.isoformat()}
            for action, moment in moments
        ]
    return rows
