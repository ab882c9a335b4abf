"""Processes that are killed at any moment: sums stay exact, a model or a list is the old one or the new, never half."""

import os
import random
import signal
import threading
from pathlib import Path

import pytest
from processes import ROUNDS, Api, doomed
from shop import START, checkerboard, event, pairs, trained
from sqlalchemy import text

from recommendation.storage import models, regenerations, runs
from recommendation.storage.database import Database
from recommendation.storage.lists import lists_of

pytestmark = pytest.mark.faults

STAGES = ("extract", "fit", "gate", "publish", "before commit", "before files")
USERS = [f"u{number:02}" for number in range(16)]


def live(database: Database) -> str | None:
    with database.reading() as connection:
        return models.live_version(connection)


def test_an_api_killed_during_ingest_counts_every_event_once_when_all_of_it_is_sent_again(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """Half of the batches are retried by their key, half by the ids of their events."""
    batches = [
        [event(f"u{n % 7}", f"g{i % 11}", **({} if n % 2 else {"event_id": f"e-{n}-{i}"})) for i in range(50)]
        for n in range(60)
    ]
    answered: set[int] = set()
    for round_ in range(ROUNDS):
        api = Api(database_url, tmp_path, RECOMMENDATION_TRAINING="queued")
        timer = threading.Timer(random.Random(round_).uniform(0.05, 1.5), api.kill)
        timer.start()
        for number in range(len(batches)):
            key = f"batch-{number}" if number % 2 else None
            if api.call("POST", "/interactions", batches[number], key)[0] == 200:
                answered.add(number)
        timer.join()
    api = Api(database_url, tmp_path, RECOMMENDATION_TRAINING="queued")
    for number in range(len(batches)):
        status, body, _ = api.call("POST", "/interactions", batches[number], f"batch-{number}" if number % 2 else None)
        assert status == 200
        if number in answered and number % 2 == 0:
            assert body == {"accepted": 0, "duplicates": 50, "rejected": []}, "what was answered was kept"
    api.kill()
    found = pairs(database)
    assert sum(row[2] for row in found) == 60 * 50 * 3_000_000
    assert sum(row[3] for row in found) == 60 * 50


@pytest.mark.parametrize("stage", STAGES)
def test_a_trainer_killed_at_a_stage_leaves_the_old_model_or_the_new_one(
    stage: str, database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database)
    old = trained(database, tmp_path).model_version
    assert doomed(database_url, tmp_path, "train", stage, str(int(signal.SIGKILL))).wait(120) == -signal.SIGKILL
    is_new = stage == "before files"
    assert (live(database) != old) is is_new
    with database.reading() as connection:
        loaded = models.artifact(connection, str(live(database)))
        row = models.live_row(connection)
        active = runs.active_run(connection)
    assert row is not None
    assert len(loaded) == row.bytes
    assert (active is None) is is_new
    assert trained(database, tmp_path).state == "succeeded"
    with database.reading() as connection:
        states = [(run.state, run.reason) for run in runs.list_runs(connection, None, 9)]
    assert states[0] == ("succeeded", None)
    assert states[1] == (("succeeded", None) if is_new else ("failed", "lost"))


def test_a_trainer_that_was_stopped_until_another_had_published_leaves_the_newer_model(
    postgres_url: str, tmp_path: Path
) -> None:
    database = Database(postgres_url)
    checkerboard(database)
    sleeper = doomed(postgres_url, tmp_path, "train", "publish", str(int(signal.SIGSTOP)))
    os.waitpid(sleeper.pid, os.WUNTRACED)
    with database.reading() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
    newer = trained(database, tmp_path)
    assert newer.state == "succeeded"
    sleeper.send_signal(signal.SIGCONT)
    sleeper.wait(60)
    assert live(database) == newer.model_version
    with database.reading() as connection:
        assert [row.version for row in models.all_models(connection)] == [newer.model_version]
    database.close()


def test_two_trainers_at_once_make_one_model(database: Database, database_url: str, tmp_path: Path) -> None:
    checkerboard(database)
    trainers = [doomed(database_url, tmp_path, "train", "never", "0") for _ in range(2)]
    assert [trainer.wait(120) for trainer in trainers] == [0, 0]
    with database.reading() as connection:
        found = runs.list_runs(connection, None, 9)
        kept = models.all_models(connection)
    assert {run.state for run in found} == {"succeeded"}
    assert len(kept) == len(found)


@pytest.mark.parametrize("place", ["inside", "between"])
def test_a_regeneration_killed_again_and_again_counts_every_user_once(
    place: str, database: Database, database_url: str, tmp_path: Path
) -> None:
    checkerboard(database)
    trained(database, tmp_path)
    with database.writing() as connection:
        name = regenerations.open_regeneration(connection, None, None, 1, START).regeneration_id
    for _ in range(min(ROUNDS, 5)):
        code = doomed(database_url, tmp_path, "regenerate", name, "2", place).wait(120)
        assert code in (-signal.SIGKILL, 0)
    assert doomed(database_url, tmp_path, "regenerate", name, "999", place).wait(120) == 0
    with database.reading() as connection:
        done = regenerations.get_regeneration(connection, name)
        lists = lists_of(connection, USERS)
    assert done is not None
    assert (done.state, done.users_regenerated) == ("succeeded", 16)
    assert {stored.user_id for stored in lists} == set(USERS)
